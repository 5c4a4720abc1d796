/**
 * The root of all certificates is replaced while everything runs: two are trusted, another signs, one is trusted. At every
 * step old and new certificates meet, and no connection fails.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { newAuthorityCertificate, newAuthorityKey } from "../controller/authority-material.ts";
import type { ControllerStatus } from "../controller/controller-status.ts";
import type { Lab } from "../lab/lab-client.ts";
import { askOnce } from "./support/ask-once.ts";
import { clientPod, mesh, type NodeNumber, pod, service } from "./support/cluster-documents.ts";
import { ConnectionLoad, failureCounts } from "./support/connection-load.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import {
  agentLogFile,
  endAgent,
  killController,
  startReadyAgent,
  startReadyController,
} from "./support/mesh-processes.ts";
import { logRecords } from "./support/process-log.ts";

const PORT = 7000;
const NODES = ["node-1", "node-2", "node-3"];

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  server("web-2", 2),
  server("web-3", 3),
  service({ name: "web", number: 101, selector: { group: "web" }, ports: [PORT] }),
]);

story(
  "the root is replaced under load: no connection fails, and the old root ends up trusted by nobody",
  async (t, lab) => {
    const old = { key: caFile(lab, "ca.key"), certificate: caFile(lab, "ca.crt") };
    const key = newAuthorityKey();
    const certificate = await newAuthorityCertificate({ text: key, place: "a new key" }, "cluster.local", Date.now());
    const load = await ConnectionLoad.start(lab, "client", LOAD);
    await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 20);
    const { issuer } = await status(lab);

    await rootsInForce(lab, () => writeCa(lab, "ca-extra-roots.pem", certificate));
    await strangersMeet(t, lab, "both-trusted");

    const switchedMs = Date.now();
    writeCa(lab, "ca-extra-roots.pem", `${old.certificate}${certificate}`);
    writeCa(lab, "ca.key", key);
    writeCa(lab, "ca.crt", certificate);
    await eventually(
      "another certificate to sign",
      { timeoutMs: 5_000 },
      async () => (await status(lab)).issuer !== issuer,
    );
    await strangersMeet(t, lab, "another-signs");
    await eventually("all certificates to be of the new issuer", { timeoutMs: 40_000 }, async () => {
      const { formerIssuer, missing } = await status(lab);
      return formerIssuer.length === 0 && missing.length === 0;
    });
    t.log(`all certificates are of the new issuer after ${Date.now() - switchedMs} ms`);

    await rootsInForce(lab, () => writeCa(lab, "ca-extra-roots.pem", ""));
    await strangersMeet(t, lab, "one-trusted");
    t.deepEqual(failureCounts(await load.end()), {});
    t.true(load.records.length > 200);
    t.false(caFile(lab, "ca-root.pem").includes(old.certificate.trim()));
  },
);

story("agents and controller that start after a rotation find each other", async (t, lab) => {
  await endAgent(lab, { node: "node-3" }, "SIGKILL");
  await killController(lab);
  await startReadyController(lab);
  await startReadyAgent(lab, { node: "node-3" });
  await strangersMeet(t, lab, "restarted");
});

const LOAD = { host: "web", port: PORT, loops: 4, seconds: 100, requestsPerConnection: 2, pauseMs: 10 };

/** A client and a server whose identities nobody has seen before: their certificates and tunnels are of this moment. */
async function strangersMeet(
  t: { is(actual: unknown, expected: unknown, message: string): unknown },
  lab: Lab,
  when: string,
): Promise<void> {
  const { ips } = await lab.call("addPod", { document: server(`server-${when}`, 3) });
  await lab.call("addPod", { document: clientPod(`client-${when}`, 2) });
  const [address = ""] = ips;
  await eventually("the new pods to know each other", { timeoutMs: 10_000 }, async () => {
    return (await askOnce(lab, `client-${when}`, address, PORT)).error === undefined;
  });
  for (const client of ["client", `client-${when}`]) {
    for (const host of [address, "web"])
      t.is((await askOnce(lab, client, host, PORT)).error, undefined, `${client} to ${host}`);
  }
}

/** Resolves when every agent has put the roots in force that `change` leads to. */
async function rootsInForce(lab: Lab, change: () => void): Promise<void> {
  const times = (node: string): number =>
    logRecords(lab, agentLogFile({ node })).filter(({ msg }) => msg === "Roots have changed and are in force").length;
  const before = NODES.map(times);
  change();
  await eventually("all agents to trust what the controller does", { timeoutMs: 10_000 }, () =>
    NODES.every((node, index) => times(node) > (before[index] ?? 0)),
  );
}

async function status(lab: Lab): Promise<ControllerStatus> {
  return JSON.parse((await lab.call("controllerHttp", { path: "/status" })).body) as ControllerStatus;
}

function caFile(lab: Lab, name: string): string {
  return readFileSync(path.join(lab.stateDir, "controller", name), "utf8");
}

function writeCa(lab: Lab, name: string, text: string): void {
  writeFileSync(path.join(lab.stateDir, "controller", name), text, { mode: 0o600 });
}

function server(name: string, node: NodeNumber): ReturnType<typeof pod> {
  const command = ["node", "e2e/pods/name-server.ts", `${PORT}`];
  return pod({ name, node, command, port: PORT, labels: name.startsWith("web") ? { group: "web" } : {} });
}
