import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test, { type ExecutionContext } from "ava";
import { TestAgent } from "../../support/controller-under-test.ts";
import { ClusterDocuments } from "../../support/cluster-documents.ts";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

interface Started {
  readonly process: ChildProcess;
  readonly lines: Record<string, unknown>[];
  readonly port: number;
  readonly adminPort: number;
}

/** For a machine that is busy with other tests: how long it takes is not what is tested here. */
const START_TIMEOUT_MS = 60_000;

const main = new URL("../../../controller/main.ts", import.meta.url).pathname;

function spawnController(t: ExecutionContext, args: readonly string[], lines: Record<string, unknown>[]): ChildProcess {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  createInterface({ input: child.stdout }).on("line", (line) =>
    lines.push(JSON.parse(line) as Record<string, unknown>),
  );
  return child;
}

async function startController(t: ExecutionContext, directory: string, port = 0): Promise<Started> {
  const lines: Record<string, unknown>[] = [];
  const documents = join(directory, "documents");
  const state = join(directory, "state");
  const listen = ["--listen", `127.0.0.1:${port}`, "--admin", "127.0.0.1:0"];
  const child = spawnController(t, ["--documents", documents, "--state", state, ...listen], lines);
  const ready = await eventually(
    "the controller listens",
    () => lines.find((line) => line["event"] === "listening"),
    START_TIMEOUT_MS,
  );
  return { process: child, lines, port: Number(ready["port"]), adminPort: Number(ready["adminPort"]) };
}

function startAgent(t: ExecutionContext, directory: string, port: number): TestAgent {
  const state = join(directory, "state");
  const access = {
    url: `wss://localhost:${port}`,
    token: (node: string) => readFileSync(join(state, "tokens", node), "utf8").trim(),
    roots: () => readFileSync(join(state, "ca-root.pem"), "utf8"),
  };
  const agent = new TestAgent(access, "node-1");
  t.teardown(() => agent.channel.close());
  agent.channel.start();
  return agent;
}

async function kill(started: Started, signal: NodeJS.Signals): Promise<unknown> {
  const exited = once(started.process, "exit");
  started.process.kill(signal);
  return (await exited)[0];
}

test.serial("a controller killed and restarted keeps the agents' tables and serves new pods", async (t) => {
  const directory = await temporaryDirectory(t);
  const documents = new ClusterDocuments(join(directory, "documents"));
  await documents.writeCluster();
  const first = await startController(t, directory);
  const agent = startAgent(t, directory, first.port);
  await eventually("the agent has the table", () => agent.table?.workload("shop/catalog-1"));
  await kill(first, "SIGKILL");
  await eventually("the channel is lost", () => !agent.channel.connected);
  await documents.writePod("catalog-2", "node-2", "10.244.2.3");
  t.truthy(agent.table?.workload("shop/catalog-1"));
  await startController(t, directory, first.port);
  await eventually("the new pod is there", () => agent.table?.workload("shop/catalog-2"));
  t.truthy(agent.table?.workload("shop/catalog-1"));
});

test.serial("SIGTERM ends the controller in order, with the table on disk", async (t) => {
  const directory = await temporaryDirectory(t);
  await new ClusterDocuments(join(directory, "documents")).writeCluster();
  const started = await startController(t, directory);
  const agent = startAgent(t, directory, started.port);
  await eventually("the agent has the table", () => agent.table);
  t.is(await kill(started, "SIGTERM"), 0);
  const table = JSON.parse(await readFile(join(directory, "state", "table.json"), "utf8")) as { sequence: number };
  t.is(table.sequence, 1);
});

test.serial(
  "wrong documents are refused as a whole, each problem with its place; the last good table stays",
  async (t) => {
    const directory = await temporaryDirectory(t);
    const documents = new ClusterDocuments(join(directory, "documents"));
    await documents.writeCluster();
    const started = await startController(t, directory);
    const agent = startAgent(t, directory, started.port);
    await eventually("the agent has the table", () => agent.table);
    const problems = (): string[] =>
      started.lines.map((line) => line["problem"]).filter((problem) => typeof problem === "string");
    await documents.write(
      "mesh.yaml",
      "apiVersion: hawser.dev/v1\nkind: Mesh\nspec:\n  localty: spread\n  encryption: maybe\n",
    );
    await documents.writePod("catalog-2", "node-2", "10.244.2.3");
    await eventually("both problems are logged", () => problems().length >= 2);
    t.true(
      problems().some((problem) => /^mesh\.yaml:4:3 .*localty/.test(problem)),
      problems().join("\n"),
    );
    t.true(
      problems().some((problem) => /^mesh\.yaml:5:\d+ /.test(problem)),
      problems().join("\n"),
    );
    t.is(agent.table?.sequence, 1);
    const metrics = await (await fetch(`http://127.0.0.1:${started.adminPort}/metrics`)).text();
    t.regex(metrics, /^hawser_controller_document_problems [1-9]/m);
    t.regex(metrics, /^process_resident_memory_bytes \d/m);
    await documents.write(
      "mesh.yaml",
      "apiVersion: hawser.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\nspec: { locality: spread }\n",
    );
    await eventually("the repaired state is in force", () => agent.table?.workload("shop/catalog-2"));
    t.is(agent.table?.mesh.locality, "spread");
  },
);

test.serial("a restart with wrong documents serves the last good table", async (t) => {
  const directory = await temporaryDirectory(t);
  const documents = new ClusterDocuments(join(directory, "documents"));
  await documents.writeCluster();
  const first = await startController(t, directory);
  await kill(first, "SIGTERM");
  await documents.write("mesh.yaml", "apiVersion: hawser.dev/v1\nkind: Mesh\nspec: { localty: spread }\n");
  const second = await startController(t, directory);
  const agent = startAgent(t, directory, second.port);
  await eventually("the agent has the table", () => agent.table?.workload("shop/catalog-1"));
  t.is((await fetch(`http://127.0.0.1:${second.adminPort}/readyz`)).status, 200);
});

test.serial("a controller without good documents and without a memory is alive, not ready", async (t) => {
  const directory = await temporaryDirectory(t);
  const { adminPort } = await startController(t, directory);
  t.is((await fetch(`http://127.0.0.1:${adminPort}/livez`)).status, 200);
  const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
  t.is(answer.status, 503);
  t.regex(await answer.text(), /documents without problems/);
});

test.serial("a state directory that cannot be used ends the start with a reason", async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, "documents"));
  await writeFile(join(directory, "state"), "a file in its place");
  const lines: Record<string, unknown>[] = [];
  const args = [
    "--documents",
    join(directory, "documents"),
    "--state",
    join(directory, "state"),
    "--listen",
    "127.0.0.1:0",
  ];
  const child = spawnController(t, [...args, "--admin", "127.0.0.1:0"], lines);
  const [code] = (await once(child, "exit")) as [number];
  t.is(code, 1);
  t.true(
    lines.some((line) => line["msg"] === "Controller cannot start" && /ENOTDIR|EEXIST/.test(String(line["error"]))),
  );
});
