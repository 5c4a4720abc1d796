/** Who is encrypted, who is refused and who is left alone, in strict and in permissive mode. */
import type { ExecutionContext } from "ava";
import { stringify } from "yaml";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import type { ConnectionRecord } from "./pods/connection-load.ts";
import { askOnce, askTimes } from "./support/ask-once.ts";
import { captured } from "./support/captured.ts";
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories, podsAreBridged } from "./support/lab-stories.ts";
import { converged, metricOf } from "./support/mesh-processes.ts";
import { eventuallyLogged } from "./support/process-log.ts";
import { addressesOf } from "./support/addresses-of.ts";

const PORT = 7000;
const EXCLUDED_PORT = 7100;
const EXCLUDED_NAMESPACE = "elsewhere";
/** A pod of node 2 whose addresses are excluded. */
const EXCLUDED_ADDRESSES = ["10.244.2.200", "fd10:244:2::c8"] as const;
const NAME_SERVER = ["node", "e2e/pods/name-server.ts", `${PORT}`];
const TWO_NAME_SERVERS = ["sh", "-c", `node e2e/pods/name-server.ts ${EXCLUDED_PORT} & exec ${NAME_SERVER.join(" ")}`];

const SETTINGS = {
  exclude: {
    ports: [EXCLUDED_PORT],
    cidrs: EXCLUDED_ADDRESSES.map((address) => `${address}/${address.includes(":") ? 128 : 32}`),
    namespaces: [EXCLUDED_NAMESPACE],
  },
};
const OUTSIDE = { "hawser.dev/mesh": "disabled" };

const story = await labStories(
  [
    mesh({ ...SETTINGS, encryption: "strict" }),
    clientPod("client", 1),
    pod({ name: "near", node: 1, command: NAME_SERVER, port: PORT }),
    pod({ name: "web", node: 2, command: TWO_NAME_SERVERS, port: PORT }),
    pod({ name: "lonely", node: 3, command: NAME_SERVER, port: PORT }),
    pod({ name: "outside-client", node: 1, command: ["sleep", "infinity"], annotations: OUTSIDE }),
    pod({ name: "outside-server", node: 2, command: NAME_SERVER, port: PORT, annotations: OUTSIDE }),
    elsewhere(clientPod("elsewhere-client", 1)),
    elsewhere(pod({ name: "elsewhere-server", node: 2, command: NAME_SERVER, port: PORT })),
    {
      ...pod({ name: "excluded", node: 2, command: NAME_SERVER, port: PORT }),
      status: { podIPs: EXCLUDED_ADDRESSES.map((ip) => ({ ip })) },
    },
    service({ name: "near", number: 101, selector: { app: "near" }, ports: [PORT] }),
    service({ name: "web", number: 102, selector: { app: "web" }, ports: [PORT, EXCLUDED_PORT] }),
    service({ name: "lonely", number: 103, selector: { app: "lonely" }, ports: [PORT] }),
    service({ name: "outside", number: 104, selector: { app: "outside-server" }, ports: [PORT] }),
  ],
  { agentNodes: ["node-1", "node-2"] },
);

story("IPv4, IPv6 and both ClusterIPs are tunnelled, and the server sees the client", async (t, lab) => {
  const hosts = [...(await addressesOf(lab, "web")), "web", "fd10:96::102"];
  const wire = await captured(lab, async () => {
    for (const host of hosts) served(t, await askOnce(lab, "client", host, PORT), host);
  });
  t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
  t.deepEqual(wire.tlsVersions, ["TLSv1.3"]);
  t.deepEqual(wire.keyExchanges, ["X25519MLKEM768"]);
});

story("same-node traffic never meets the agent", async (t, lab) => {
  const addresses = await addressesOf(lab, "near");
  const before = await countedConnections(lab);
  t.true(before > 0);
  for (const host of addresses) {
    for (const record of await askTimes(lab, "client", host, PORT, 20)) served(t, record, host);
  }
  for (const host of ["near", "fd10:96::101"]) {
    for (const { error, seenByServer, local } of await askTimes(lab, "client", host, PORT, 20)) {
      t.is(error, undefined, host);
      // The kernel takes another port where the client's own has had a connection to the pod's address a moment ago.
      t.is(addressOf(seenByServer), addressOf(local), host);
    }
  }
  t.is(await countedConnections(lab), before);
});

story("a pod that calls itself through its Service reaches itself", async (t, lab) => {
  for (const host of ["near", "fd10:96::101"]) {
    const { error, pods } = await askOnce(lab, "near", host, PORT);
    t.is(error, undefined, host);
    t.deepEqual(pods, ["near"]);
  }
});

story("strict: a pod on a node without an agent is refused with a reset, and the log says no-agent", async (t, lab) => {
  const hosts = [...(await addressesOf(lab, "lonely")), "lonely"];
  const wire = await captured(lab, async () => {
    for (const host of hosts) {
      const { error, startedMs, endedMs } = await askOnce(lab, "client", host, PORT);
      t.is(error, "ECONNRESET", host);
      t.true(endedMs - startedMs < 1_000);
    }
    t.is(
      (await askOnce(lab, "lonely", "web", PORT)).error,
      "ECONNREFUSED",
      "what such a node sends is refused as well",
    );
  });
  t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
  const line = await eventuallyLogged(lab, "agent-node-1.log", "no-agent", ({ reason }) => reason === "no-agent");
  t.is(line.event, "connection");
  t.regex(String(line["detail"]), /node-3/);
});

story("a pod that the table does not know yet can neither send nor receive in clear", async (t, lab) => {
  const web = await addressesOf(lab, "web");
  // Of a bridged pod that dials a ClusterIP the reset gets lost (decision 0021): it would wait for a long time.
  const dialled = podsAreBridged ? web : [...web, "web"];
  const server = pod({ name: "new-server", node: 2, command: NAME_SERVER, port: PORT });
  let newServer: readonly string[] = [];
  await lab.call("signalController", { signal: "SIGSTOP" });
  try {
    const wire = await captured(lab, async () => {
      await lab.call("addPod", { document: clientPod("new-client", 1) });
      newServer = (await lab.call("addPod", { document: server })).ips;
      for (const host of dialled) {
        t.is((await askOnce(lab, "new-client", host, PORT)).error, "ECONNREFUSED", host);
      }
      for (const host of newServer) t.is((await askOnce(lab, "client", host, PORT)).error, "ECONNREFUSED", host);
    });
    t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
  } finally {
    await lab.call("signalController", { signal: "SIGCONT" });
  }
  const wire = await captured(lab, async () => {
    await eventually("both to be in the mesh", { timeoutMs: 10_000 }, async () => {
      return (await askOnce(lab, "new-client", newServer[0] ?? "", PORT)).error === undefined;
    });
  });
  t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
});

story("pods outside the mesh are untouched: as clients, as servers, by annotation and by namespace", async (t, lab) => {
  const [web = ""] = await addressesOf(lab, "web");
  const [outside = ""] = await addressesOf(lab, "outside-server");
  const [elsewhereServer = ""] = await addressesOf(lab, "elsewhere-server");
  const pairs = [
    ["outside-client", web],
    ["client", outside],
    ["elsewhere-client", web],
    ["elsewhere-client", elsewhereServer],
    ["client", elsewhereServer],
  ] as const;
  await untouched(t, lab, pairs, PORT);
});

story("a Service of pods outside the mesh is served in clear, and its server sees the client", async (t, lab) => {
  const wire = await captured(lab, async () => served(t, await askOnce(lab, "client", "outside", PORT), "outside"));
  t.true(wire.plaintextPackets > 0);
});

story("excluded ports and CIDRs are untouched", async (t, lab) => {
  const web = await addressesOf(lab, "web");
  await untouched(
    t,
    lab,
    [...web, "web"].map((host) => ["client", host] as const),
    EXCLUDED_PORT,
  );
  await untouched(
    t,
    lab,
    EXCLUDED_ADDRESSES.map((host) => ["client", host] as const),
    PORT,
  );
});

for (const mode of [0, 1, 2]) {
  story(`rp_filter ${mode} on every interface does not matter`, async (t, lab) => {
    const set = `for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo ${mode} > $file; done`;
    for (const node of ["node-1", "node-2"]) t.is((await lab.exec(node, ["sh", "-e", "-c", set])).exitCode, 0);
    const [web = ""] = await addressesOf(lab, "web");
    for (const host of [web, "web"]) served(t, await askOnce(lab, "client", host, PORT), host);
    served(t, await askOnce(lab, "client", "near", PORT), "near");
  });
}

story(
  "permissive: a pod on a node without an agent is reached in clear, the others through tunnels as before",
  async (t, lab) => {
    const sequence = (await lab.status()).controller?.sequence ?? 0;
    await lab.call("applyDocuments", {
      file: "mesh.yaml",
      text: stringify(mesh({ ...SETTINGS, encryption: "permissive" })),
    });
    await converged(lab, sequence);
    const lonely = await addressesOf(lab, "lonely");
    await untouched(t, lab, [...lonely.map((host) => ["client", host] as const), ["lonely", "near"]], PORT);
    const before = await countedConnections(lab);
    served(t, await askOnce(lab, "client", "web", PORT), "web");
    t.is((await countedConnections(lab)) - before, 2, "taken by the one agent, given by the other");

    await lab.call("applyDocuments", {
      file: "mesh.yaml",
      text: stringify(mesh({ ...SETTINGS, encryption: "strict" })),
    });
    await converged(lab, sequence + 1);
    t.is((await askOnce(lab, "client", lonely[0] ?? "", PORT)).error, "ECONNRESET");
  },
);

/** All are served, past the agents and in clear: the server sees the client, the wire shows the words. */
async function untouched(
  t: ExecutionContext,
  lab: Lab,
  pairs: readonly (readonly [client: string, host: string])[],
  port: number,
): Promise<void> {
  const before = await countedConnections(lab);
  for (const [client, host] of pairs) {
    const what = `${client} to ${host}`;
    const wire = await captured(lab, async () => served(t, await askOnce(lab, client, host, port), what));
    t.true(wire.plaintextPackets > 0, what);
  }
  t.is(await countedConnections(lab), before);
}

/** Connections taken or refused by the agents of both nodes so far. Workers report them every second. */
async function countedConnections(lab: Lab): Promise<number> {
  const counts = new Map<number, number>();
  const { count } = await eventually(
    "the agents' counters to stand still",
    { timeoutMs: 10_000, everyMs: 100 },
    async () => {
      const now = await countNow(lab);
      const sinceMs = counts.get(now) ?? performance.now();
      counts.set(now, sinceMs);
      return performance.now() - sinceMs > REPORTED_MS && { count: now };
    },
  );
  return count;
}

const REPORTED_MS = 1_300;

async function countNow(lab: Lab): Promise<number> {
  const counts = await Promise.all(
    ["node-1", "node-2"].flatMap((node) =>
      ["hawser_connections_opened_total", "hawser_refused_total"].map((name) => metricOf(lab, node, name)),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

function served(t: ExecutionContext, record: ConnectionRecord, what: string): void {
  t.is(record.error, undefined, what);
  t.is(record.seenByServer, record.local, what);
}

/** Of `address port`. */
function addressOf(text = ""): string | undefined {
  return text.split(" ")[0];
}

function elsewhere(document: LabPod): LabPod {
  return { ...document, metadata: { ...document.metadata, namespace: EXCLUDED_NAMESPACE } };
}
