/**
 * An attacker at the tunnels' port of a pod: on the victim's own node, outside the mesh on another one, and as the master
 * of a whole node. Whatever is tried is refused and logged, costs bounded memory, and nobody else notices.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import { HBONE_PORT } from "../protocol/ports.ts";
import { TestAuthority } from "../test/support/test-authority.ts";
import type { Attack, BytesOutcome, FloodOutcome, TunnelAttack, TunnelOutcome } from "./pods/attacker.ts";
import type { ConnectionLoadOptions } from "./pods/connection-load.ts";
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import { ConnectionLoad, failureCounts } from "./support/connection-load.ts";
import { eventually } from "./support/eventually.ts";
import { labStories, type Story } from "./support/lab-stories.ts";
import { metricOf } from "./support/mesh-processes.ts";
import { type LogRecord, logRecords } from "./support/process-log.ts";
import { runProgram } from "./support/run-program.ts";

const PORT = 7000;
const NAME_SERVER = ["node", "e2e/pods/name-server.ts", `${PORT}`];
const VICTIM_LOG = "agent-node-2.log";
/** Where attacks come from; each reaches the port on its own way. */
const NEAR = "attacker-near";
const OUTSIDE = "attacker-outside";
const ANOTHER_NODE = "node-3";

const tell = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  pod({ name: "victim", node: 2, command: NAME_SERVER, port: PORT }),
  pod({ name: "neighbour", node: 2, command: NAME_SERVER, port: PORT }),
  service({ name: "victim", number: 101, selector: { app: "victim" }, ports: [PORT] }),
  clientPod(NEAR, 2),
  clientPod("attacker-far", 3),
  clientPod("other-far", 3),
  pod({
    name: OUTSIDE,
    node: 3,
    command: ["sleep", "infinity"],
    annotations: { "hawser.dev/mesh": "disabled" },
  }),
]);

/** Every story is told while somebody uses the victim, and must not notice. */
function story(title: string, body: Story): void {
  tell(title, async (t, lab) => {
    const load = await ConnectionLoad.start(lab, "client", LOAD);
    await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 10);
    await body(t, lab);
    const records = await load.end();
    t.deepEqual(failureCounts(records), {});
    const durations = records.map(({ startedMs, endedMs }) => endedMs - startedMs).toSorted((a, b) => a - b);
    const p99 = durations[Math.floor(durations.length * 0.99)] ?? 0;
    t.true(p99 < BYSTANDER_P99_MS, `p99 of the others ${p99} ms`);
    t.log(`${records.length} connections of the others, p99 ${p99} ms`);
  });
}

const LOAD: ConnectionLoadOptions = {
  host: "victim",
  port: PORT,
  loops: 2,
  seconds: 100,
  requestsPerConnection: 2,
  pauseMs: 10,
};
/** Generous: a connection with two requests on a machine that is busy with the attack itself. */
const BYSTANDER_P99_MS = 1_000;

story("the tunnels' port cannot be dialled by a mesh pod of another node", async (t, lab) => {
  const found = await tunnel(lab, "attacker-far", { headers: await connectTo(lab, "victim") });
  t.is(found.status, undefined);
  await logged(lab, "agent-node-3.log", { reason: "reserved-port" });
});

for (const from of [NEAR, OUTSIDE]) {
  story(`${from}: without a certificate`, async (t, lab) => {
    refused(t, await tunnel(lab, from, { headers: await connectTo(lab, "victim") }));
    await logged(
      lab,
      VICTIM_LOG,
      { event: "tunnel-refused", peer: await addressOf(lab, from) },
      /TLS handshake failed/,
    );
  });

  story(`${from}: with a certificate of another authority`, async (t, lab) => {
    const authority = await TestAuthority.create("Another root");
    const credentials = await authority.issue(stolen(lab, "node-1", "client").identity);
    const mark = lineCount(lab);
    refused(t, await tunnel(lab, from, { credentials, headers: await connectTo(lab, "victim") }));
    await logged(
      lab,
      VICTIM_LOG,
      { event: "tunnel-refused", peer: await addressOf(lab, from) },
      /TLS handshake failed/,
      mark,
    );
  });

  story(`${from}: with the stolen certificate of a workload of another node`, async (t, lab) => {
    const credentials = stolen(lab, "node-1", "client");
    const headers = { ...(await connectTo(lab, "victim")), forwarded: `for="${await addressOf(lab, "client")}:40000"` };
    const found = await tunnel(lab, from, { credentials, headers });
    refused(t, found);
    await logged(
      lab,
      VICTIM_LOG,
      { event: "tunnel-refused", peer: await addressOf(lab, from) },
      /sa\/client comes from pod/,
    );
  });

  story(`${from}: with garbage, and with HTTP/1.1`, async (t, lab) => {
    const texts = ["\0\xff garbage \x16 garbage".repeat(100), "GET / HTTP/1.1\r\nhost: victim\r\n\r\n"];
    for (const text of texts) {
      const mark = lineCount(lab);
      const found = await bytes(lab, from, Buffer.from(text, "latin1"));
      t.not(found.ending, "open");
      t.true(found.receivedBytes < 100, "a TLS alert at most");
      await logged(
        lab,
        VICTIM_LOG,
        { event: "tunnel-refused", peer: await addressOf(lab, from) },
        /TLS handshake failed/,
        mark,
      );
    }
  });

  story(`${from}: with 10,000 half-open handshakes`, async (t, lab) => {
    const before = await victimRss(lab);
    const hits = await limitHits(lab);
    let peak = before;
    const watch = setInterval(() => void victimRss(lab).then((rss) => (peak = Math.max(peak, rss))), 250);
    const target = { kind: "flood", host: await addressOf(lab, "victim"), port: HBONE_PORT } as const;
    const found = await run<FloodOutcome>(lab, from, { ...target, connections: 10_000, perSecond: 2_500 });
    clearInterval(watch);
    t.deepEqual(found.failed, {}, "10,000 connections were made");
    t.true(found.refused > 9_000, JSON.stringify(found));
    t.true(peak - before < FLOOD_RSS_MB, `${before} -> ${peak} MB`);
    await eventually(
      "the limit to be counted",
      { timeoutMs: 5_000 },
      async () => (await limitHits(lab)) - hits > 9_000,
    );
    t.log(`${JSON.stringify(found)}, agent ${before.toFixed(0)} -> ${peak.toFixed(0)} MB`);
  });
}

/** What may come of 10,000 sockets in the hands of the garbage collector. */
const FLOOD_RSS_MB = 64;

story("another node's master: with the key of a pod that is not his", async (t, lab) => {
  const credentials = stolen(lab, "node-1", "client");
  const headers = { ...(await connectTo(lab, "victim")), forwarded: `for="${await addressOf(lab, "client")}:40000"` };
  refused(t, await tunnel(lab, ANOTHER_NODE, { credentials, headers }));
  await logged(lab, VICTIM_LOG, { event: "tunnel-refused" }, /has no pod on node node-3.*stolen/);
});

story("another node's master: with his own pods' keys he is let in, but speaks only for them", async (t, lab) => {
  const credentials = stolen(lab, "node-3", "attacker-far");
  const headers = await connectTo(lab, "victim");
  const own = { forwarded: `for="${await addressOf(lab, "attacker-far")}:40000"` };
  const foreign = [
    { forwarded: `for="${await addressOf(lab, "client")}:40000"` },
    { forwarded: `for="${await addressOf(lab, "other-far")}:40000"` },
    { forwarded: `for="${await addressOf(lab, "victim")}:40000"` },
    { forwarded: `for="${await addressOf(lab, OUTSIDE)}:40000"` },
    { forwarded: `for="10.90.0.13:40000"` },
    { forwarded: "for=unknown" },
    {},
  ];
  const good = await tunnel(lab, ANOTHER_NODE, { credentials, headers: { ...headers, ...own } });
  t.is(good.status, 200, "the attack itself works");
  t.regex(good.said, /^victim /);
  const tries = foreign.map((claim) => tunnel(lab, ANOTHER_NODE, { credentials, headers: { ...headers, ...claim } }));
  for (const [index, found] of (await Promise.all(tries)).entries()) {
    t.is(found.status, 401, JSON.stringify(foreign[index]));
    t.is(found.said, "");
  }
  await logged(
    lab,
    VICTIM_LOG,
    { event: "connection", reason: "denied" },
    /is on node node-1, the tunnel comes from node-3/,
  );
});

story("another node's master: his tunnel to one pod leads to no other place", async (t, lab) => {
  const credentials = stolen(lab, "node-3", "attacker-far");
  const forwarded = `for="${await addressOf(lab, "attacker-far")}:40000"`;
  const victim = await addressOf(lab, "victim");
  const neighbour = await addressOf(lab, "neighbour");
  const elsewhere = [
    `${neighbour}:${PORT}`,
    "127.0.0.1:15000",
    "10.90.0.12:15000",
    "10.96.0.101:7000",
    `${victim}:15008`,
    "victim:7000",
    "x",
  ];
  for (const authority of elsewhere) {
    const found = await tunnel(lab, ANOTHER_NODE, {
      credentials,
      headers: { ":method": "CONNECT", ":authority": authority, forwarded },
    });
    t.is(found.status, 400, `${authority} ${JSON.stringify(found)}`);
    t.is(found.said, "");
  }
  const get = { ":method": "GET", ":path": "/", ":scheme": "https", ":authority": `${victim}:${PORT}`, forwarded };
  t.is((await tunnel(lab, ANOTHER_NODE, { credentials, headers: get })).status, 400);
  await logged(lab, VICTIM_LOG, { event: "connection", reason: "bad-request" }, /not the pod that was dialled/);
});

tell("secrets appear in no log, no dump and no metric", async (t, lab) => {
  const texts = new Map<string, string>();
  for (const file of readdirSync(lab.logsDir).filter((name) => name.endsWith(".log"))) {
    texts.set(file, readFileSync(path.join(lab.logsDir, file), "utf8"));
  }
  for (const page of ["/config_dump", "/metrics"]) {
    for (const node of ["node-1", "node-2", "node-3"]) {
      texts.set(`${node}${page}`, (await lab.call("nodeHttp", { node, path: page })).body);
    }
    texts.set(`controller${page}`, (await lab.call("controllerHttp", { path: page })).body);
  }
  texts.set("controller/status", (await lab.call("controllerHttp", { path: "/status" })).body);
  const secrets = secretsOf(lab);
  t.true(secrets.length > 6);
  t.true((texts.get("node-1/config_dump") ?? "").includes("spiffe://"));
  for (const [name, text] of texts) {
    t.false(text.includes("PRIVATE KEY"), name);
    t.false(
      secrets.some((secret) => text.includes(secret)),
      name,
    );
  }
});

type TunnelTry = Pick<TunnelAttack, "headers" | "credentials">;

async function tunnel(lab: Lab, from: string, { headers, credentials }: TunnelTry): Promise<TunnelOutcome> {
  const target = { kind: "tunnel", host: await addressOf(lab, "victim"), port: HBONE_PORT } as const;
  return run(lab, from, { ...target, headers, ...(credentials === undefined ? {} : { credentials }) });
}

async function bytes(lab: Lab, from: string, content: Buffer): Promise<BytesOutcome> {
  const target = { kind: "bytes", host: await addressOf(lab, "victim"), port: HBONE_PORT } as const;
  return run(lab, from, { ...target, base64: content.toString("base64") });
}

function run<T>(lab: Lab, from: string, attack: Attack): Promise<T> {
  return runProgram<T>(lab, from, "attacker.ts", [JSON.stringify(attack)]);
}

function refused(t: ExecutionContext, found: TunnelOutcome): void {
  t.is(found.status, undefined);
  t.is(found.said, "");
  t.not(found.error, "no answer", "refused means now");
}

async function connectTo(lab: Lab, name: string): Promise<Record<string, string>> {
  return { ":method": "CONNECT", ":authority": `${await addressOf(lab, name)}:${PORT}` };
}

/** Key and certificate as the agent of a node keeps them on its disk. */
function stolen(lab: Lab, node: string, account: string): { identity: string; keyPem: string; chainPem: string } {
  const directory = path.join(lab.stateDir, "agents", node, "certificates");
  const all = readdirSync(directory).map((name) => JSON.parse(readFileSync(path.join(directory, name), "utf8")));
  return all.find(({ identity }) => identity.endsWith(`/sa/${account}`));
}

/** Lines of private keys, and join tokens. */
function secretsOf(lab: Lab): readonly string[] {
  const keys = ["node-1", "node-2", "node-3"].flatMap((node) => {
    const directory = path.join(lab.stateDir, "agents", node, "certificates");
    return readdirSync(directory).map((name) => {
      const { keyPem } = JSON.parse(readFileSync(path.join(directory, name), "utf8")) as { keyPem: string };
      return keyPem.split("\n")[1] ?? keyPem;
    });
  });
  const tokens = path.join(lab.stateDir, "controller/tokens");
  return [...keys, ...readdirSync(tokens).map((name) => readFileSync(path.join(tokens, name), "utf8").trim())];
}

/** A record of the log after its first `mark` lines with these fields, whose reason or detail says this. */
function logged(
  lab: Lab,
  file: string,
  fields: Readonly<Record<string, string>>,
  says = /./,
  mark = 0,
): Promise<LogRecord> {
  return eventually(`${file} to tell of ${JSON.stringify(fields)} ${says}`, { timeoutMs: 10_000 }, () =>
    logRecords(lab, file)
      .slice(mark)
      .find(
        (record) =>
          Object.entries(fields).every(([name, value]) => record[name] === value) &&
          says.test(`${record.reason} ${String(record["detail"])}`),
      ),
  );
}

function lineCount(lab: Lab): number {
  return logRecords(lab, VICTIM_LOG).length;
}

async function addressOf(lab: Lab, name: string): Promise<string> {
  const { pods } = await lab.status();
  return pods.find((one) => one.name === name)?.ips[0] ?? "";
}

async function victimRss(lab: Lab): Promise<number> {
  const { agents } = await lab.status();
  return agents.find(({ node }) => node === "node-2")?.rssMb ?? Number.NaN;
}

function limitHits(lab: Lab): Promise<number> {
  return metricOf(lab, "node-2", "hawser_limit_hits_total", { limit: "pendingHandshakesPerAddress" });
}
