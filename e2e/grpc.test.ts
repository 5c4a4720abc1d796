/** gRPC between nodes with grpc-js at both ends: calls of every kind, balanced one by one, by GRPCRoutes. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { status } from "@grpc/grpc-js";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import type { GrpcCall, GrpcOutcome } from "./pods/grpc-calls.ts";
import {
  clientPod,
  documentsText,
  grpcRoute,
  mesh,
  type NodeNumber,
  pod,
  service,
  trafficPolicy,
} from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const PORT = 7000;
const TIMEOUT_MS = 1_000;
const CHANGE = { timeoutMs: 5_000 };

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  server("echo-1", 2),
  server("echo-2", 3),
  service({ name: "echo", number: 151, selector: { role: "echo" }, ports: [PORT] }),
  service({ name: "one", number: 152, selector: { app: "echo-1" }, ports: [PORT] }),
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
  t.regex(ours?.details ?? "", /^request-timeout: /);
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
