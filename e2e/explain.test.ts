/** Rules for some callers only, and `hawser explain` against what a running mesh has in force. */
import path from "node:path";
import { runCommand } from "../core/run-command.ts";
import type { Lab } from "../lab/lab-client.ts";
import type { LiveProtection } from "../protocol/live-state.ts";
import type { HttpOutcome, HttpRequests } from "./pods/http-requests.ts";
import {
  clientPod,
  documentsText,
  httpRoute,
  mesh,
  pod,
  service,
  STORY_NAMESPACE,
  trafficPolicy,
} from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const PORT = 7000;
const CHANGE = { timeoutMs: 10_000 };
const USERS = 300;
/** Of 300 users with a share of a half: some four standard deviations. */
const TOLERANCE = 35;
const CLI = path.resolve(import.meta.dirname, "../cli/main.ts");

const server = (name: string, group: string) =>
  pod({
    name,
    node: 2,
    command: ["node", "e2e/pods/http-server.ts", `${PORT}`],
    port: PORT,
    labels: { group },
  });

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  clientPod("stranger", 1),
  server("web-1", "half"),
  server("web-2", "new"),
  // Ready, and nobody listens.
  pod({ name: "deaf", node: 2, command: ["sleep", "infinity"], labels: { group: "half" } }),
  service({ name: "catalog", number: 121, selector: { app: "web-1" }, ports: [PORT] }),
  service({ name: "new", number: 122, selector: { group: "new" }, ports: [PORT] }),
  service({ name: "half", number: 123, selector: { group: "half" }, ports: [PORT] }),
  service({ name: "gone", number: 124, selector: { app: "deaf" }, ports: [PORT] }),
  trafficPolicy("gone", {
    circuitBreaker: { minRequests: 2, openFor: "1m" },
    rateLimits: [{ requests: 100, per: "1h" }],
    concurrency: { maxRequests: 3 },
    quota: { name: "gone", requests: 10_000 },
  }),
]);

story(
  "a rule may be for one identity and a share of its users: the same ones, and more when it is raised",
  async (t, lab) => {
    const few = await usersOfNew(lab, "client", 20);
    const more = await usersOfNew(lab, "client", 50);
    t.true(Math.abs(few.size - USERS / 5) < TOLERANCE, `${few.size} of ${USERS} are 20 %`);
    t.true(Math.abs(more.size - USERS / 2) < TOLERANCE, `${more.size} of ${USERS} are 50 %`);
    t.true(few.isSubsetOf(more));
    t.is((await usersOfNew(lab, "stranger", 50)).size, 0, "another identity");
  },
);

story("explain says of a live agent which rule a request is under, and of the controller the same", async (t, lab) => {
  await share(lab, 50);
  for (const who of ["node-1", "controller"]) {
    const text = await explain(lab, who, [
      "--from",
      "story/client",
      "--to",
      `http://catalog:${PORT}/`,
      "-H",
      "x-user: 1",
    ]);
    t.regex(text, /^route {7}HTTPRoute story\/catalog, rule [12]$/m, who);
    t.regex(text, /^to {10}Service story\/catalog, port 7000/m, who);
    t.regex(text, /^timeouts {4}request 5000 ms$/m, who);
    t.regex(
      text,
      new RegExp(`^in force {4}${who === "controller" ? "the controller" : "agent of node-1"}, table \\d+$`, "m"),
    );
  }
});

story("explain says of endpoints what the agent has found out about them", async (t, lab) => {
  await lab.call("applyDocuments", {
    file: "half.yaml",
    text: documentsText([trafficPolicy("half", { timeouts: { request: "5s" } })]),
  });
  const asked = ["--from", "story/client", "--to", `http://half:${PORT}/`];
  const policed = async () =>
    (await explain(lab, "node-1", asked)).includes("TrafficPolicy story/half speaks of requests");
  await eventually("the policy to hold", CHANGE, policed);
  await run(lab, "client", { url: `http://half:${PORT}/`, requests: 20, loops: 2 });
  const text = await explain(lab, "node-1", asked);
  t.regex(
    text,
    /- story\/deaf \S+:7000 on node-2, ready, weight 100; (ejected|probing), for \d+ s more; 0 in flight$/m,
  );
  t.regex(text, /- story\/web-1 \S+:7000 on node-2, ready, weight 100; 0 in flight$/m);
  const command = [process.execPath, CLI, "explain", "--url", "http://127.0.0.1:15000", ...asked];
  const there = await lab.exec("node-1", command);
  t.regex(there.stdout, /^in force {4}agent of node-1, table \d+$/m, there.stderr);
});

story("explain says of a live agent how breakers, limits and quotas stand", async (t, lab) => {
  const asked = ["--from", "story/client", "--to", `http://gone:${PORT}/`];
  const unused = await explain(lab, "node-1", asked);
  t.is(unused.match(/^ +now unused: no request/gm)?.length, 4, unused);
  const outcomes = await run(lab, "client", { url: `http://gone:${PORT}/`, requests: 5, loops: 1 });
  t.deepEqual(
    outcomes.map(({ headers }) => headers["hawser-reason"]),
    ["no-endpoints", "no-endpoints", "circuit-open", "circuit-open", "circuit-open"],
  );
  const text = await explain(lab, "node-1", asked);
  t.regex(text, /^breaker.*\n +now open after 100 % errors of 2 requests, \d+ s until one finds out$/m);
  t.regex(text, /^concurrency.*\n +now 0 at once, 0 waiting$/m);
  t.regex(text, /^rate limit.*\n +now 95 of 100 at once left$/m);
  // Who asks no more gives its lease back after a second.
  t.regex(text, /^quota.*\n +now (?:unused: no request of late|[\d.]+ for this agent, .*)$/m);
  const { protection } = JSON.parse(await explain(lab, "node-1", [...asked, "--json"])) as {
    readonly protection: LiveProtection;
  };
  t.like(protection, { node: "node-1", breakers: [{ state: "open", errors: 2 }], gates: [{ inside: 0 }] });
});

/** Those whose requests the new Service answers. */
async function usersOfNew(lab: Lab, from: string, percent: number): Promise<ReadonlySet<string>> {
  await share(lab, percent);
  const url = `http://catalog:${PORT}/`;
  const outcomes = await run(lab, from, { url, numbered: "x-user", requests: USERS, loops: 4 });
  const seen = outcomes.flatMap(({ seen: one }) => (one?.pod === "web-2" ? [String(one.headers["x-user"])] : []));
  return new Set(seen);
}

/** Resolves when it is in force. */
async function share(lab: Lab, percent: number): Promise<void> {
  const extensionRef = { group: "hawser.dev", kind: "RequestMatch", name: "testers" };
  const rules = [
    { backendRefs: [{ name: "catalog", port: PORT }] },
    { filters: [{ type: "ExtensionRef", extensionRef }], backendRefs: [{ name: "new", port: PORT }] },
  ];
  const testers = {
    apiVersion: "hawser.dev/v1",
    kind: "RequestMatch",
    metadata: { name: "testers", namespace: STORY_NAMESPACE },
    spec: {
      identities: [`spiffe://cluster.local/ns/${STORY_NAMESPACE}/sa/client`],
      users: { percent, by: { header: "x-user" } },
    },
  };
  const policy = trafficPolicy("catalog", { timeouts: { request: "5s" } });
  const text = documentsText([httpRoute("catalog", { rules }), testers, policy]);
  await lab.call("applyDocuments", { file: "share.yaml", text });
  await eventually(`${percent} % to be in force`, CHANGE, async () => {
    const { body } = await lab.call("nodeHttp", { node: "node-1", path: "/config_dump" });
    return body.includes(`"percent": ${percent},`);
  });
}

async function run(lab: Lab, from: string, requests: HttpRequests): Promise<readonly HttpOutcome[]> {
  return await runProgram<readonly HttpOutcome[]>(lab, from, "http-requests.ts", [JSON.stringify(requests)]);
}

async function explain(lab: Lab, who: string, asked: readonly string[]): Promise<string> {
  const argv = [process.execPath, CLI, "lab", "explain", who, "--name", lab.name, ...asked];
  const { stdout, stderr, exitCode } = await runCommand(argv);
  if (exitCode !== 0) throw new Error(`hawser lab explain exited with ${exitCode}: ${stderr}`);
  return stdout;
}
