import test from "ava";
import { buildReport, reportOf } from "../../../../lab/report/build-report.ts";
import { readAgentMetrics } from "../../../../lab/report/agent-metrics.ts";
import type { LabObservation } from "../../../../lab/report/lab-observation.ts";
import {
  agent,
  AGENT_METRICS_TEXT,
  client,
  labStatus,
  observation,
  placed,
  pod,
  QUIET_WIRE,
  TAKEN_MS,
} from "../../../support/lab-observations.ts";

test("reportOf says that all is well, with the figures", (t) => {
  const report = reportOf(observation());
  t.like(report, {
    ok: true,
    problems: [],
    secondsToReady: 3.21,
    mesh: true,
    nodes: ["a", "b"],
    intraNode: { requests: 100, seenByAgent: 0 },
  });
  t.deepEqual(report.wire, {
    packets: 12_345,
    plaintextPackets: 0,
    tlsVersion: "TLSv1.3",
    keyExchange: "X25519MLKEM768",
  });
  t.deepEqual(report.agents[0], { node: "a", rssMb: 80.12, cpuSeconds: 1.5 });
  t.deepEqual(report.flows[1], {
    from: "shop/front-end",
    to: "shop/catalog",
    path: "tunnel",
    crossNode: true,
    connections: 4,
    requests: 60,
    errors: 0,
    bytes: 50_000,
    p50Ms: 0.52,
    p99Ms: 0.52,
  });
});

const LOCAL = AGENT_METRICS_TEXT.replaceAll('path="tunnel"} 7', 'path="local"} 7');

const ILLNESSES: readonly (readonly [name: string, changes: Partial<LabObservation>, problem: RegExp])[] = [
  ["the lab is not ready", { status: labStatus({ phase: "starting", detail: "pods" }) }, /Lab is starting: pods/],
  [
    "a pod is not ready",
    {
      status: labStatus({ pods: [{ ...pod("shop/front-end", "front-end", "a"), state: "failed", reason: "exit 1" }] }),
    },
    /shop\/front-end is failed: exit 1/,
  ],
  [
    "an agent is not ready",
    { status: labStatus({ agents: [agent("a", { ready: false })] }) },
    /Agent of a is not ready/,
  ],
  ["an agent has ended", { status: labStatus({ agents: [agent("a", { state: "exited" })] }) }, /Agent of a is exited/],
  ["an agent gives no metrics", { agents: [readAgentMetrics("a", AGENT_METRICS_TEXT)] }, /Agent of b gives no metrics/],
  ["no client wrote stats", { clients: [] }, /No client/],
  ["a client hangs", { takenMs: TAKEN_MS + 9500 }, /shop\/front-end has not written stats for 10 s/],
  [
    "a client is not answered",
    { clients: [client("shop/front-end", "a", "shop/catalog", [])] },
    /has had no answer from shop\/catalog/,
  ],
  [
    "a call failed",
    { clients: [client("shop/front-end", "a", "shop/catalog", [placed("same-node", { errors: 2 })])] },
    /2 of 102 calls from shop\/front-end to shop\/catalog failed/,
  ],
  ["calls passed no tunnel", { agents: [readAgentMetrics("a", ""), readAgentMetrics("b", "")] }, /passed no tunnel/],
  [
    "an agent saw traffic within a node",
    { agents: [readAgentMetrics("a", LOCAL), readAgentMetrics("b", "")] },
    /7 connections within a node/,
  ],
  ["the wire was not captured", { wire: undefined, wireError: "no tcpdump" }, /not captured: no tcpdump/],
  ["the capture saw nothing", { wire: { ...QUIET_WIRE, packets: 0 } }, /saw nothing/],
  [
    "packets were readable",
    { wire: { ...QUIET_WIRE, plaintextPackets: 3, plaintextSamples: ["GET /"] } },
    /3 packets on the underlay were readable:\n {4}GET \//,
  ],
  [
    "an old TLS version was used",
    { wire: { ...QUIET_WIRE, tlsVersions: ["TLSv1.3", "TLSv1.2"] } },
    /TLS version on the wire: TLSv1.3, TLSv1.2/,
  ],
  [
    "the key exchange was not post-quantum",
    { wire: { ...QUIET_WIRE, keyExchanges: ["X25519"] } },
    /X25519 instead of X25519MLKEM768/,
  ],
  ["no handshake was seen", { wire: { ...QUIET_WIRE, keyExchanges: [] } }, /none seen/],
];

for (const [name, changes, problem] of ILLNESSES) {
  test(`reportOf says when ${name}`, (t) => {
    const { ok, problems } = reportOf(observation(changes));
    t.false(ok);
    t.regex(problems.join("\n"), problem);
  });
}

test("reportOf does not ask for tunnels without a mesh, and still shows the wire", (t) => {
  const report = reportOf(
    observation({
      status: labStatus({ mesh: false, agents: [] }),
      agents: [],
      wire: { ...QUIET_WIRE, plaintextPackets: 9, tlsVersions: [], keyExchanges: [] },
    }),
  );
  t.like(report, { ok: true, mesh: false });
  t.is(report.wire.plaintextPackets, 9);
});

test("buildReport rejects when the lab does not answer", async (t) => {
  const lab = {
    stateDir: "/nonexistent",
    status: () => Promise.reject(new Error("gone")),
    call: () => Promise.reject(new Error("gone")),
  };
  await t.throwsAsync(buildReport(lab), { message: "gone" });
});

test("buildReport goes on without the parts that do not answer", async (t) => {
  const lab = {
    stateDir: "/nonexistent",
    status: () => Promise.resolve(labStatus()),
    call: () => Promise.reject(new Error("gone")),
  };
  const { problems } = await buildReport(lab);
  t.regex(problems.join("\n"), /No client has written stats/);
  t.regex(problems.join("\n"), /Underlay was not captured: .*gone/);
});
