/** How connections end: each direction by itself, and a reset stays a reset at the other end. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Lab } from "../lab/lab-client.ts";
import type { ScriptTranscript } from "./pods/run-script.ts";
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const CONTROL_PORT = 7000;
const ANSWER_BYTES = 5_000_000;

/** Port -> what the server does with a connection. */
const SERVER = {
  7001: ["read-to-end", "wait 300", `send ${ANSWER_BYTES}`, "end"],
  7002: ["send 1000", "end", "read-to-end"],
  7003: ["read-to-end"],
  7004: ["read 1000", "reset"],
  7005: ["read-to-end", "send 100000", "wait 200", "reset"],
  7006: ["send 100000", "end", "read-to-end"],
  7007: ["send 50000000", "end", "read-to-end"],
} as const;
const NO_LISTENER = 7009;

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  pod({
    name: "server",
    node: 2,
    command: ["node", "e2e/pods/scripted-server.ts", `${CONTROL_PORT}`, JSON.stringify(SERVER)],
    port: 7001,
  }),
  service({
    name: "server",
    number: 101,
    selector: { app: "server" },
    ports: [7001, 7002, 7003, 7004, 7005, 7006, 7007, NO_LISTENER],
  }),
]);

story("a client that has shut down writing still gets the whole answer", async (t, lab) => {
  const client = await play(lab, 7001, ["send 200000", "end", "read-to-end"]);
  const server = await serverSide(lab, 7001, client);
  t.is(client.ending, "end");
  t.is(client.receivedBytes, ANSWER_BYTES);
  t.is(client.receivedSha256, server.sentSha256);
  t.is(server.ending, "end");
  t.is(server.receivedSha256, client.sentSha256);
});

story("a server that has shut down writing still gets all that the client sends later", async (t, lab) => {
  const client = await play(lab, 7002, ["read-to-end", "wait 300", `send ${ANSWER_BYTES}`, "end"]);
  const server = await serverSide(lab, 7002, client);
  t.is(client.ending, "end");
  t.is(client.receivedBytes, 1000);
  t.is(server.ending, "end");
  t.is(server.receivedSha256, client.sentSha256);
});

story("a client's reset is a reset for the server", async (t, lab) => {
  const client = await play(lab, 7003, ["send 1000", "wait 200", "reset"]);
  t.is((await serverSide(lab, 7003, client)).ending, "ECONNRESET");
});

story("a client's reset after the server has shut down writing is a reset for the server", async (t, lab) => {
  const client = await play(lab, 7006, ["read-to-end", "send 1000", "wait 200", "reset"]);
  t.is((await serverSide(lab, 7006, client)).ending, "ECONNRESET");
});

story("a server's reset is a reset for the client", async (t, lab) => {
  const client = await play(lab, 7004, ["send 1000", "read-to-end"]);
  t.is(client.ending, "ECONNRESET");
  t.is(client.receivedBytes, 0);
});

story("a server's reset after the client has shut down writing is a reset for the client", async (t, lab) => {
  const client = await play(lab, 7005, ["send 1000", "end", "read-to-end"]);
  t.is(client.ending, "ECONNRESET");
  t.is(client.receivedBytes, 100_000);
});

story("a reset in the middle of a transfer is a reset at the other end", async (t, lab) => {
  const uploader = await play(lab, 7004, ["send 20000000", "read-to-end"]);
  t.regex(uploader.ending, /^(ECONNRESET|EPIPE)$/);
  const downloader = await play(lab, 7007, ["read 100000", "reset"]);
  t.regex((await serverSide(lab, 7007, downloader)).ending, /^(ECONNRESET|EPIPE)$/);
});

story("a port without a listener resets the client, and both agents' logs say why", async (t, lab) => {
  const client = await play(lab, NO_LISTENER, ["send 10", "read-to-end"]);
  t.is(client.ending, "ECONNRESET");
  const atClient = await connectionLine(lab, "node-1", client);
  t.is(atClient.reason, "connect-failed");
  t.regex(atClient.detail ?? "", /cannot reach .*ECONNREFUSED/);
  t.is(atClient.destination.service, "story/server");
  const atServer = await connectionLine(lab, "node-2", undefined);
  t.is(atServer.reason, "connect-failed");
});

function play(lab: Lab, port: number, steps: readonly string[]): Promise<ScriptTranscript> {
  return runProgram(lab, "client", "scripted-client.ts", ["server", `${port}`, ...steps], 20_000);
}

/** The server's story of the client's connection, once it has ended. */
function serverSide(lab: Lab, port: number, client: ScriptTranscript): Promise<ScriptTranscript> {
  return eventually(`the server on port ${port} to see the end`, { timeoutMs: 5_000 }, async () => {
    const answer = await lab.call("podHttp", { pod: "server", port: CONTROL_PORT, path: `/${port}` });
    const transcripts = JSON.parse(answer.body) as ScriptTranscript[];
    return transcripts.find((one) => one.remote === client.local && one.ending !== "open");
  });
}

interface ConnectionLine {
  readonly event: string;
  readonly reason: string;
  readonly detail?: string;
  readonly source: { readonly address: string };
  readonly destination: { readonly address: string; readonly service?: string };
}

/** The agent's log line of a failed connection to the port without a listener. */
function connectionLine(
  lab: Lab,
  node: string,
  client: Partial<ScriptTranscript> | undefined,
): Promise<ConnectionLine> {
  const source = client?.local?.replace(" ", ":");
  return eventually(`the agent of ${node} to log the connection`, { timeoutMs: 5_000 }, () => {
    const text = readFileSync(path.join(lab.logsDir, `agent-${node}.log`), "utf8");
    const lines = text.split("\n").filter((line) => line.includes(`:${NO_LISTENER}`));
    const parsed = lines.map((line) => JSON.parse(line) as ConnectionLine);
    return parsed.find(
      (line) => line.event === "connection" && (source ?? line.source.address) === line.source.address,
    );
  });
}
