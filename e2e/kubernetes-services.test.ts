/** What Services say about their endpoints in Kubernetes' words, and what clients then meet. */
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import {
  clientPod,
  documentsText,
  endpointSlice,
  mesh,
  namespace,
  type NodeNumber,
  pod,
  service,
  type StoryPod,
  trafficPolicy,
} from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { probe, serve, tunnelled } from "./support/served-connections.ts";

const PORT = 7000;
/** Of a pod in its node's network. */
const HOST_PORT = 7100;
const WEB = { group: "web" };
const NODES = ["node-1", "node-2", "node-3"];
const CHANGE = { timeoutMs: 5_000 };

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client-1", 1),
  clientPod("client-2", 2),
  clientPod("client-3", 3),
  server("web-1", 1, WEB),
  server("web-2", 2, WEB),
  server("web-3", 3, WEB),
  server("heavy", 1, { group: "twins" }, { annotations: { "hawser.dev/weight": "1000" } }),
  server("light", 1, { group: "twins" }, { annotations: { "hawser.dev/weight": "1" } }),
  server("host-3", 3, {}, { hostNetwork: true, port: HOST_PORT }),
  service({ name: "sliced", number: 111, selector: WEB, ports: [PORT] }),
  service({ name: "internal", number: 112, selector: WEB, ports: [PORT], spec: { internalTrafficPolicy: "Local" } }),
  service({ name: "sticky", number: 113, selector: WEB, ports: [PORT], spec: { sessionAffinity: "ClientIP" } }),
  trafficPolicy("sticky", { locality: "spread" }),
  service({
    name: "twins",
    number: 114,
    selector: { group: "twins" },
    ports: [PORT],
    spec: { sessionAffinity: "ClientIP" },
  }),
  service({
    name: "zoned",
    number: 115,
    selector: WEB,
    ports: [PORT],
    spec: { trafficDistribution: "PreferSameZone" },
  }),
  service({ name: "mixed", number: 116, ports: [PORT] }),
  service({ name: "far", number: 117, selector: { app: "web-2" }, ports: [PORT] }),
]);

story("an endpoint that its slice calls not ready gets nothing", async (t, lab) => {
  const [two, three] = await Promise.all([addressOf(lab, "web-2"), addressOf(lab, "web-3")]);
  const apply = (ready: boolean): Promise<unknown> =>
    applySlices(lab, [
      endpointSlice("sliced", { port: PORT }, [
        { address: two, pod: "web-2" },
        { address: three, pod: "web-3", ready },
      ]),
    ]);
  const sliced = { host: "sliced", port: PORT, connections: 60 };
  await apply(false);
  // By its selector, the Service has one on this node.
  await eventually("the slice to count", CHANGE, async () => (await probe(lab, "client-1", sliced)) === "web-2");
  t.deepEqual(await serve(t, lab, "client-1", sliced), { "web-2": 60 });
  await apply(true);
  await eventually("web-3 to serve", CHANGE, async () => (await probe(lab, "client-1", sliced)) === "web-3");
  const served = await serve(t, lab, "client-1", sliced);
  t.true((served["web-2"] ?? 0) > 10 && (served["web-3"] ?? 0) > 10, JSON.stringify(served));
});

story("with internalTrafficPolicy Local, the node's own endpoints serve, and nobody else", async (t, lab) => {
  const internal = { host: "internal", port: PORT };
  for (const number of [1, 2, 3]) {
    const served = await serve(t, lab, `client-${number}`, { ...internal, connections: 20 });
    t.deepEqual(served, { [`web-${number}`]: 20 });
  }
  await lab.call("setReady", { pod: "web-1", ready: false });
  try {
    await eventually("nobody to serve", CHANGE, async () => (await probe(lab, "client-1", internal)) === undefined);
    t.deepEqual(await serve(t, lab, "client-2", { ...internal, connections: 20 }), { "web-2": 20 });
  } finally {
    await lab.call("setReady", { pod: "web-1", ready: true });
  }
  await eventually("web-1 to serve", CHANGE, async () => (await probe(lab, "client-1", internal)) === "web-1");
});

story("sessionAffinity ClientIP keeps a client at one endpoint, on whatever node", async (t, lab) => {
  const sticky = { host: "sticky", port: PORT, connections: 40, loops: 4 };
  const clients = ["client-1", "client-2", "client-3", "heavy", "light"];
  for (const client of clients) {
    const served = await serve(t, lab, client, sticky);
    t.is(Object.keys(served).length, 1, JSON.stringify(served));
    t.deepEqual(await serve(t, lab, client, sticky), served);
    t.log(client, Object.keys(served)[0]);
  }
});

story(
  "sessionAffinity among endpoints of the client's node is kept too, and the client may be one of them",
  async (t, lab) => {
    for (const client of ["client-1", "heavy", "light"]) {
      t.deepEqual(await serve(t, lab, client, { host: "twins", port: PORT, connections: 20 }), { heavy: 20 });
    }
  },
);

story("PreferSameZone spreads inside the zone, and leaves it when it has nobody", async (t, lab) => {
  const zoned = { host: "zoned", port: PORT };
  const inside = await serve(t, lab, "client-1", { ...zoned, connections: 200 });
  t.deepEqual(Object.keys(inside).sort(), ["web-1", "web-2"]);
  t.true((inside["web-1"] ?? 0) > 60 && (inside["web-2"] ?? 0) > 60, JSON.stringify(inside));
  t.deepEqual(await serve(t, lab, "client-3", { ...zoned, connections: 20 }), { "web-3": 20 });
  await lab.call("setReady", { pod: "web-3", ready: false });
  try {
    await eventually("another zone to serve", CHANGE, async () =>
      ["web-1", "web-2"].includes((await probe(lab, "client-3", zoned)) ?? ""),
    );
    const away = await serve(t, lab, "client-3", { ...zoned, connections: 60 });
    t.deepEqual(Object.keys(away).sort(), ["web-1", "web-2"]);
  } finally {
    await lab.call("setReady", { pod: "web-3", ready: true });
  }
});

story("endpoints in the mesh and outside of it serve one Service together", async (t, lab) => {
  const { nodes } = await lab.status();
  const host = nodes.find(({ name }) => name === "node-3")?.addresses[0] ?? "";
  await applySlices(lab, [
    endpointSlice("mixed", { port: PORT }, [{ address: await addressOf(lab, "web-2"), pod: "web-2" }]),
    endpointSlice("mixed", { port: PORT, target: HOST_PORT }, [{ address: host, pod: "host-3" }]),
  ]);
  const mixed = { host: "mixed", port: PORT };
  await eventually("it to serve", CHANGE, async () => (await probe(lab, "client-1", mixed)) !== undefined);
  const served = await serve(t, lab, "client-1", { ...mixed, connections: 60 });
  t.true((served["web-2"] ?? 0) > 10 && (served["host-3"] ?? 0) > 10, JSON.stringify(served));
});

story("a namespace's label takes its pods out of the mesh and back, live", async (t, lab) => {
  const far = { host: "far", port: PORT, connections: 20 };
  const client = await addressOf(lab, "client-1");
  const counted = await tunnelled(lab, "node-1", "story/far");
  /** Of the nodes, those whose kernel knows the client as a pod of the mesh. */
  const meshedOn = async (): Promise<number> => {
    const tests = NODES.map((node) => {
      const set = node === "node-1" ? "hawser-local4" : "hawser-remote4";
      return lab.exec(node, ["ipset", "test", set, client]);
    });
    return (await Promise.all(tests)).filter(({ exitCode }) => exitCode === 0).length;
  };
  const label = (value: string): Promise<unknown> =>
    lab.call("applyDocuments", {
      file: "namespace.yaml",
      text: documentsText([namespace({ "hawser.dev/mesh": value })]),
    });
  t.is(await meshedOn(), NODES.length);
  await label("disabled");
  await eventually("the pods to be outside", CHANGE, async () => (await meshedOn()) === 0);
  t.deepEqual(await serve(t, lab, "client-1", far), { "web-2": 20 });
  await label("enabled");
  await eventually("the pods to be inside again", CHANGE, async () => (await meshedOn()) === NODES.length);
  t.deepEqual(await serve(t, lab, "client-1", far), { "web-2": 20 });
  await eventually("the agent to have counted those of the mesh, and nothing else", CHANGE, async () => {
    return (await tunnelled(lab, "node-1", "story/far")) === counted + 20;
  });
});

function server(
  name: string,
  node: NodeNumber,
  labels: Readonly<Record<string, string>>,
  more: Partial<StoryPod> = {},
): LabPod {
  const port = more.port ?? PORT;
  return pod({ name, node, command: ["node", "e2e/pods/name-server.ts", `${port}`], labels, ...more, port });
}

async function addressOf(lab: Lab, name: string): Promise<string> {
  const { pods } = await lab.status();
  return pods.find((one) => one.name === name)?.ips[0] ?? "";
}

async function applySlices(lab: Lab, slices: readonly object[]): Promise<unknown> {
  return await lab.call("applyDocuments", { file: "slices.yaml", text: documentsText(slices) });
}
