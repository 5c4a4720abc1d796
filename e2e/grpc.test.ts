/** gRPC between nodes with grpc-js at both ends: calls of every kind, balanced one by one, by GRPCRoutes. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { status } from "@grpc/grpc-js";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import type { CallLoadOptions, CallRecord } from "./pods/call-load.ts";
import type { GrpcCall, GrpcOutcome } from "./pods/grpc-calls.ts";
import { CallLoad } from "./support/call-load.ts";
import {
  clientPod,
  documentsText,
  grpcRoute,
  httpRoute,
  mesh,
  type NodeNumber,
  pod,
  service,
  trafficPolicy,
} from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { endAgent, startReadyAgent } from "./support/mesh-processes.ts";
import { runProgram } from "./support/run-program.ts";

const PORT = 7000;
const TIMEOUT_MS = 1_000;
const CHANGE = { timeoutMs: 5_000 };

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  server("echo-1", 2),
  server("echo-2", 3),
  webServer("web-1", 2),
  webServer("web-2", 3),
  service({ name: "echo", number: 151, selector: { role: "echo" }, ports: [PORT] }),
  service({ name: "web", number: 155, selector: { role: "web" }, ports: [PORT], appProtocol: "kubernetes.io/h2c" }),
  service({ name: "one", number: 152, selector: { app: "echo-1" }, ports: [PORT] }),
  service({ name: "two", number: 154, selector: { app: "echo-2" }, ports: [PORT] }),
  service({ name: "empty", number: 153, selector: { app: "nobody" }, ports: [PORT] }),
]);

story("calls of one channel are balanced one by one", async (t, lab) => {
  await apply(lab, [
    grpcRoute("echo", { rules: [{ backendRefs: [{ name: "echo", port: PORT }] }] }),
    trafficPolicy("echo", {
      timeouts: { request: `${TIMEOUT_MS}ms` },
      retries: { attempts: 3, on: ["unavailable"], backoff: "5ms" },
    }),
  ]);
  await eventually("the route to hold", CHANGE, async () => {
    return (
      (await calls(lab, [{ method: "unary", request: { text: "x", delayMs: 1_500 } }]))[0]?.code ===
      status.DEADLINE_EXCEEDED
    );
  });
  const outcomes = await calls(lab, [{ method: "unary", request: { text: "x" }, times: 100 }]);
  const pods = outcomes.map(({ answers }) => answers[0]?.pod);
  const first = pods.filter((name) => name === "echo-1").length;
  t.log({ "echo-1": first, "echo-2": pods.length - first });
  t.true(outcomes.every(({ code }) => code === status.OK));
  t.true(first >= 30 && first <= 70, `${first}`);
});

story("streams of either side and of both, metadata, and what a failure says", async (t, lab) => {
  const [collected, repeated, chat, failed, plain] = await calls(lab, [
    { method: "collect", request: { text: "m" }, messages: 3 },
    { method: "repeat", request: { text: "n", count: 50 } },
    { method: "chat", request: { text: "hi" }, messages: 20 },
    { method: "unary", request: { text: "x", fail: status.NOT_FOUND, details: "not here: ü" } },
    { method: "unary", request: { text: "x" }, metadata: { "x-user": "ann" } },
  ]);
  t.is(collected?.answers[0]?.text, "m0 m1 m2");
  t.is(repeated?.answers.length, 50);
  t.is(chat?.answers.length, 20);
  t.like(failed, { code: status.NOT_FOUND, details: "not here: ü", binary: "about x" });
  t.is(plain?.answers[0]?.metadata?.["x-user"], "ann");
  t.is(plain?.trailing["x-trailing"], "yes");
});

story("deadlines: the server knows, and the policy's holds when it is shorter", async (t, lab) => {
  const [told, ours, theirs] = await calls(lab, [
    { method: "unary", request: { text: "x" }, deadlineMs: 500 },
    { method: "unary", request: { text: "x", delayMs: 5_000 }, deadlineMs: 60_000 },
    { method: "unary", request: { text: "x", delayMs: 5_000 }, deadlineMs: 200 },
  ]);
  const leftMs = told?.answers[0]?.leftMs ?? 0;
  t.true(leftMs > 0 && leftMs <= 500, `${leftMs}`);
  t.is(ours?.code, status.DEADLINE_EXCEEDED);
  // The server is told of it, and may be the first to say so.
  t.regex(ours?.details ?? "", /^(request-timeout: |Deadline exceeded)/);
  t.is(theirs?.code, status.DEADLINE_EXCEEDED);
});

story("a call that its client cancels is cancelled at the server", async (t, lab) => {
  const call: GrpcCall = { method: "repeat", request: { text: "n", count: 1_000, delayMs: 5 }, cancelAfter: 3 };
  const [outcome] = await calls(lab, [call]);
  t.is(outcome?.code, status.CANCELLED);
  await eventually("the server to know", CHANGE, () => serversLog(lab).includes("cancelled repeat"));
});

story("calls are repeated on the status that the policy names", async (t, lab) => {
  const request = { text: "again", fail: status.UNAVAILABLE, times: 1 };
  const outcomes = await calls(lab, [{ method: "unary", request, times: 3 }]);
  t.deepEqual(
    outcomes.map(({ code }) => code),
    [0, 0, 0],
  );
});

story("a GRPCRoute by service and method; what is under no rule, or has no endpoint, says so", async (t, lab) => {
  const method = (name: string) => ({ matches: [{ method: { service: "test.Echo", method: name } }] });
  const rules = [
    { ...method("Unary"), backendRefs: [{ name: "one", port: PORT }] },
    { ...method("Repeat"), backendRefs: [{ name: "empty", port: PORT }] },
  ];
  await apply(lab, [grpcRoute("echo", { rules })]);
  const noMatch: GrpcCall = { method: "collect", request: { text: "m" } };
  await eventually("the route to hold", CHANGE, async () => {
    return (await calls(lab, [noMatch]))[0]?.code === status.UNIMPLEMENTED;
  });
  const outcomes = await calls(lab, [
    { method: "unary", request: { text: "x" }, times: 20 },
    { method: "repeat", request: { text: "n" } },
    noMatch,
  ]);
  t.true(outcomes.slice(0, 20).every(({ answers }) => answers[0]?.pod === "echo-1"));
  t.is(outcomes[20]?.code, status.UNAVAILABLE);
  t.regex(outcomes[20]?.details ?? "", /^no-endpoints: /);
  t.is(outcomes[21]?.code, status.UNIMPLEMENTED);
  t.regex(outcomes[21]?.details ?? "", /^no-match: /);
});

story(
  "a GRPCRoute as the Gateway API's conformance suite has it: weights, headers of both sides, matches",
  async (t, lab) => {
    const to = (name: string, more: object = {}) => ({ backendRefs: [{ name, port: PORT, ...more }] });
    const when = (value: string, more: object = {}) => ({
      matches: [{ headers: [{ name: "x-test-case", value }], ...more }],
    });
    const request = (requestHeaderModifier: object) => ({
      filters: [{ type: "RequestHeaderModifier", requestHeaderModifier }],
    });
    const answer = { add: [{ name: "x-pod", value: "of-route" }], set: [{ name: "x-route", value: "answer" }] };
    const regular = (value: string) => ({ type: "RegularExpression", name: "x-user", value });
    await apply(lab, [
      grpcRoute("echo", {
        rules: [
          { ...when("set"), ...request({ set: [{ name: "x-set", value: "of-route" }] }), ...to("one") },
          { ...when("add"), ...request({ add: [{ name: "x-add", value: "of-route" }] }), ...to("one") },
          { ...when("remove"), ...request({ remove: ["x-remove"] }), ...to("one") },
          {
            ...when("several"),
            ...request({
              set: [
                { name: "x-set", value: "1" },
                { name: "x-set-2", value: "2" },
              ],
              add: [
                { name: "x-add", value: "1" },
                { name: "x-add-2", value: "2" },
              ],
              remove: ["x-remove", "x-remove-2"],
            }),
            ...to("two"),
          },
          { ...when("backend"), ...to("one", request({ set: [{ name: "x-set", value: "of-backend" }] })) },
          {
            ...when("answer"),
            filters: [{ type: "ResponseHeaderModifier", responseHeaderModifier: answer }],
            ...to("one"),
          },
          { ...when("service", { method: { service: "test.Echo" } }), ...to("one") },
          { ...when("service"), ...to("two") },
          { matches: [{ headers: [regular("^(ann|bob)$")] }], ...to("two") },
          { matches: [{ method: { type: "RegularExpression", service: "test\\..*", method: "Rep.*" } }], ...to("one") },
          { matches: [{ method: { method: "Chat" } }], ...to("two") },
          {
            backendRefs: [
              { name: "one", port: PORT, weight: 70 },
              { name: "two", port: PORT, weight: 30 },
              { name: "nobody", port: PORT, weight: 0 },
            ],
          },
        ],
      }),
    ]);
    const ask = (metadata: Readonly<Record<string, string>>, change: Partial<GrpcCall> = {}): GrpcCall => ({
      method: "unary",
      request: { text: "x" },
      metadata,
      ...change,
    });
    await eventually("the route to hold", CHANGE, async () => {
      const [outcome] = await calls(lab, [ask({ "x-test-case": "set" })]);
      return outcome?.answers[0]?.metadata?.["x-set"] === "of-route";
    });
    const sent = { "x-set": "mine", "x-add": "mine", "x-add-2": "mine", "x-remove": "mine", "x-other": "mine" };
    const seen: readonly (readonly [name: string, pod: string, metadata: Readonly<Record<string, unknown>>])[] = [
      ["set", "echo-1", { "x-set": "of-route", "x-other": "mine" }],
      ["add", "echo-1", { "x-add": "mine,of-route", "x-set": "mine" }],
      ["remove", "echo-1", { "x-remove": undefined, "x-set": "mine" }],
      [
        "several",
        "echo-2",
        { "x-set": "1", "x-set-2": "2", "x-add": "mine,1", "x-add-2": "mine,2", "x-remove": undefined },
      ],
      ["backend", "echo-1", { "x-set": "of-backend", "x-remove": "mine" }],
      ["service", "echo-1", {}],
    ];
    const outcomes = await calls(lab, [
      ...seen.map(([name]) => ask({ ...sent, "x-test-case": name })),
      ask({ "x-test-case": "answer" }),
      ask({ "x-test-case": "answer" }, { request: { text: "x", fail: status.NOT_FOUND } }),
      ask({ "x-user": "bob" }),
      ask({}, { method: "repeat", request: { text: "n", count: 2 } }),
      ask({}, { method: "chat" }),
      ask({ "x-user": "bobby" }, { times: 100 }),
    ]);
    for (const [index, [name, podName, metadata]] of seen.entries()) {
      const [first] = outcomes[index]?.answers ?? [];
      t.is(first?.pod, podName, name);
      for (const [key, value] of Object.entries(metadata)) t.is(first?.metadata?.[key], value, `${name} ${key}`);
    }
    const [answered, failed, user, repeated, chat, ...shared] = outcomes.slice(seen.length);
    t.like(answered?.leading, { "x-route": "answer", "x-pod": "echo-1,of-route" });
    t.is(failed?.code, status.NOT_FOUND);
    t.is(
      failed?.trailing["x-route"],
      "answer",
      "an answer that is trailers alone has its headers changed all the same",
    );
    t.deepEqual(
      [user, repeated, chat].map((outcome) => outcome?.answers[0]?.pod),
      ["echo-2", "echo-1", "echo-2"],
    );
    const first = shared.filter(({ answers }) => answers[0]?.pod === "echo-1").length;
    t.true(shared.every(({ code }) => code === status.OK));
    t.true(Math.abs(first - 70) <= 2, `${first} of 100 at the one with 70`);
  },
);

const LOAD: CallLoadOptions = {
  grpc: `echo:${PORT}`,
  http2: `web:${PORT}`,
  loops: 4,
  pauseMs: 5,
  deadlineMs: 10_000,
  delayMs: 20,
};
/** A call takes 20 ms; the machine may be busy. */
const QUICK_MS = 1_000;
/** An agent that is gone answers no SYN: another endpoint is tried after this. */
const CONNECT = { timeouts: { connect: "300ms" } };
const ROUTES = [
  trafficPolicy("echo", CONNECT),
  trafficPolicy("web", CONNECT),
  grpcRoute("echo", { rules: [{ backendRefs: [{ name: "echo", port: PORT }] }] }),
  httpRoute("web", { rules: [{ backendRefs: [{ name: "web", port: PORT }] }] }),
];

story("agents are upgraded and pods replaced, one by one: no call and no request fails", async (t, lab) => {
  await apply(lab, ROUTES);
  const load = await loadUnderWay(lab, LOAD);
  for (const node of ["node-1", "node-2"]) {
    await startReadyAgent(lab, { node, instance: "2" });
    await endAgent(lab, { node, instance: "1" }, "SIGTERM");
  }
  for (const [number, node] of [
    [1, 2],
    [2, 3],
  ] as const) {
    await lab.call("addPod", { document: server(`echo-${number}-new`, node) });
    await lab.call("addPod", { document: webServer(`web-${number}-new`, node) });
    await answers(load, [`echo-${number}-new`, `web-${number}-new`]);
    await Promise.all(
      [`echo-${number}`, `web-${number}`].map((name) => lab.call("removePod", { pod: name, preStopSeconds: 1 })),
    );
  }
  await answers(load, ["echo-1-new", "echo-2-new", "web-1-new", "web-2-new"]);
  const records = await load.end();
  t.log(`${records.length} calls, slowest ${slowest(records)} ms, connections ended by ${load.sessionEnds.join(", ")}`);
  t.deepEqual(failures(records), {});
  t.deepEqual(load.sessionEnds, ["goaway"], "of the agent that left, and of nobody else");
});

for (const [node, side] of [
  ["node-1", "client"],
  ["node-2", "server"],
] as const) {
  story(
    `the agent on the ${side}'s node is killed: what is under way fails at once, and nothing else does`,
    async (t, lab) => {
      const load = await loadUnderWay(lab, LOAD);
      await endAgent(lab, { node, instance: "2" }, "SIGKILL");
      // Beside a dead agent of the other node there are servers of a third.
      if (side === "server") await answers(load, ["echo-2-new", "web-2-new"]);
      await startReadyAgent(lab, { node, instance: "2" });
      await answers(load, ["echo-2-new", "web-2-new"]);
      const records = await load.end();
      const failed = records.filter(({ outcome }) => outcome !== "OK");
      t.log(failures(records), `of ${records.length}, slowest ${slowest(records)} ms`);
      t.true(failed.length <= 2 * LOAD.loops, JSON.stringify(failed));
      // On the servers' side there may just be nothing under way to that node.
      if (side === "client") t.true(failed.length > 0);
      for (const { kind, outcome, startedMs, endedMs } of failed) {
        t.regex(outcome, kind === "grpc" ? /^UNAVAILABLE: / : /ECONNRESET|NGHTTP2|^502 /);
        t.true(endedMs - startedMs < QUICK_MS, `${outcome} after ${endedMs - startedMs} ms`);
      }
    },
  );
}

/** Resolves when calls and requests are answered by everybody. */
async function loadUnderWay(lab: Lab, options: CallLoadOptions): Promise<CallLoad> {
  const load = await CallLoad.start(lab, "client", options);
  await eventually("the load to run", CHANGE, () => {
    const ok = load.records.filter(({ outcome }) => outcome === "OK");
    return (["grpc", "http2"] as const).every((kind) => ok.filter((one) => one.kind === kind).length > 20);
  });
  return load;
}

/** Resolves when each of them has answered something that was begun from now on. */
async function answers(load: CallLoad, pods: readonly string[]): Promise<void> {
  const sinceMs = Date.now();
  await eventually(`answers of ${pods.join(", ")}`, { timeoutMs: 10_000 }, () => {
    const answering = new Set(
      load.records.filter(({ startedMs }) => startedMs >= sinceMs).map(({ pod: name }) => name),
    );
    return pods.every((name) => answering.has(name));
  });
}

/** What went wrong -> how often. */
function failures(records: readonly CallRecord[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { kind, outcome } of records) {
    if (outcome !== "OK") counts[`${kind} ${outcome}`] = (counts[`${kind} ${outcome}`] ?? 0) + 1;
  }
  return counts;
}

function slowest(records: readonly CallRecord[]): number {
  return Math.max(...records.map(({ startedMs, endedMs }) => endedMs - startedMs));
}

/** In a file of their own, which has nothing else. */
async function apply(lab: Lab, documents: readonly object[]): Promise<unknown> {
  return await lab.call("applyDocuments", { file: "routes.yaml", text: documentsText(documents) });
}

async function calls(lab: Lab, list: readonly GrpcCall[]): Promise<readonly GrpcOutcome[]> {
  return await runProgram<readonly GrpcOutcome[]>(lab, "client", "grpc-calls.ts", [
    `echo:${PORT}`,
    JSON.stringify(list),
  ]);
}

function serversLog(lab: Lab): string {
  return ["echo-1", "echo-2"]
    .map((name) => readFileSync(path.join(lab.logsDir, "pods", `story.${name}.log`), "utf8"))
    .join("\n");
}

function server(name: string, node: NodeNumber): LabPod {
  const command = ["node", "e2e/pods/grpc-server.ts", `${PORT}`];
  return pod({ name, node, command, port: PORT, labels: { role: "echo" } });
}

function webServer(name: string, node: NodeNumber): LabPod {
  const command = ["node", "e2e/pods/h2-server.ts", `${PORT}`];
  return pod({ name, node, command, port: PORT, labels: { role: "web" } });
}
