/** The source before a real API server that is killed, compacted and flooded. Needs KUBEBUILDER_ASSETS. */
import test from "ava";
import type { ExecutionContext } from "ava";
import { Registry } from "prom-client";
import { systemClock } from "../../core/clock.ts";
import { KubernetesSource } from "../../controller/kubernetes/kubernetes-source.ts";
import type { RouteObject } from "../../controller/kubernetes/route-objects.ts";
import { SourceMetrics } from "../../controller/kubernetes/source-metrics.ts";
import type { SourceState } from "../../controller/source.ts";
import type { HttpKubeClient } from "../../kubernetes/http-kube-client.ts";
import type { KubeObject } from "../../kubernetes/kube-client.ts";
import type { Document } from "../../protocol/documents/document.ts";
import { eventually } from "../support/eventually.ts";
import { gatewayApiDefinitions } from "../support/gateway-api-definitions.ts";
import { RecordingLog } from "../support/recording-log.ts";
import { apiServerAssets, RealApiServer } from "../support/real-api-server.ts";
import { meshText } from "../support/source-world.ts";

const assets = apiServerAssets();
const PODS = 2_000;
const AT_ONCE = 8;
const LONG_MS = 60_000;

if (assets === undefined) {
  test("without KUBEBUILDER_ASSETS the source is not tested against a real API server", (t) => {
    t.log("Set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd");
    t.pass();
  });
} else {
  test.serial("2,000 pods: an API server that is killed, and a history that is gone, change nothing", async (t) => {
    t.timeout(LONG_MS * 2);
    // etcd keeps the history of two seconds, and the API server has no older one after its restart.
    const flags = ["--etcd-compaction-interval=2s"];
    const { server, client, last, states } = await openWorld(t, assets, flags);
    await createPods(client);
    const pods = (): Document[] => last().documents.filter(({ kind }) => kind === "Pod");
    await eventually("all pods are there", () => pods().length === PODS, LONG_MS);

    await server.killServer();
    const given = states.length;
    const before = last().documents;
    await server.startServer(flags);
    await setStatus(client, "pod-1", "10.244.3.1");
    await eventually("the watch is back", () => addressOf(pods(), "pod-1") === "10.244.3.1", LONG_MS);
    t.deepEqual(changed(before, states.slice(given)), ["Pod shop/pod-1"]);
  });

  test.serial("a bad edit of the ConfigMap is refused on the object, and the good one is stored", async (t) => {
    t.timeout(LONG_MS);
    const { client, last } = await openWorld(t, assets);
    await setSettings(client, "kind: Mash");
    await eventually("the refusal", () => last().problems.length > 0);
    const warning = await eventually("the event", () => findEvent(client, "DocumentsRefused"));
    t.regex(warning.message, /mesh\.yaml:1:7 kind/);
    const stored = await client.get<KubeObject & { data: Record<string, string> }>(
      "/api/v1/namespaces/hawser-system/configmaps/hawser-last-good",
    );
    t.regex(stored.data["mesh.yaml"] ?? "", /encryption: strict/);
    await setSettings(client, meshText("encryption: permissive"));
    await eventually("the repair", () => last().problems.length === 0);
    await eventually("the other event", () => findEvent(client, "DocumentsAccepted"));
  });

  test.serial("the Gateway API is installed later, and a route gets its status", async (t) => {
    t.timeout(LONG_MS);
    const { client, log } = await openWorld(t, assets);
    await create(client, "/api/v1/namespaces/shop/services", {
      metadata: { name: "a" },
      spec: { ports: [{ port: 80 }] },
    });
    const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for (const definition of gatewayApiDefinitions()) await client.create(definitions, definition);
    const rules = [
      {
        backendRefs: [
          { name: "a", port: 80 },
          { name: "b", port: 80 },
        ],
      },
    ];
    const spec = { parentRefs: [{ group: "", kind: "Service", name: "a", port: 80 }], rules };
    const told = async (path: string): Promise<string> => (await conditionsOf(client, path))?.join(", ") ?? "";
    // Of two kinds on a port, the one of gRPC goes first.
    const accepted = { GRPCRoute: "Accepted True Accepted", HTTPRoute: "Accepted False Conflicted" };
    for (const kind of ["GRPCRoute", "HTTPRoute"] as const) {
      const routes = `/apis/gateway.networking.k8s.io/v1/namespaces/shop/${kind.toLowerCase()}s`;
      const route = { apiVersion: "gateway.networking.k8s.io/v1", kind, metadata: { name: "r" }, spec };
      const created = (): Promise<boolean> =>
        client.create(routes, route).then(
          () => true,
          () => false,
        );
      await eventually("the definition is served", created, LONG_MS);
      const missing = `${accepted[kind]}, ResolvedRefs False BackendNotFound`;
      await eventually(missing, async () => (await told(`${routes}/r`)) === missing, LONG_MS);
    }
    await create(client, "/api/v1/namespaces/shop/services", {
      metadata: { name: "b" },
      spec: { ports: [{ port: 80 }] },
    });
    for (const [kind, condition] of Object.entries(accepted)) {
      const path = `/apis/gateway.networking.k8s.io/v1/namespaces/shop/${kind.toLowerCase()}s/r`;
      const resolved = `${condition}, ResolvedRefs True ResolvedRefs`;
      await eventually(resolved, async () => (await told(path)) === resolved, LONG_MS);
    }
    t.deepEqual(log.lines, []);
  });
}

interface World {
  readonly server: RealApiServer;
  readonly client: HttpKubeClient;
  readonly states: readonly SourceState[];
  readonly last: () => SourceState;
  readonly log: RecordingLog;
}

/** An API server with the namespaces `shop` and `hawser-system`, good settings, and a source that has given its first state. */
async function openWorld(t: ExecutionContext, folder: string, flags: readonly string[] = []): Promise<World> {
  const server = await RealApiServer.start(folder, flags);
  t.teardown(() => server.close());
  const client = await server.client();
  for (const name of ["shop", "hawser-system"]) await create(client, "/api/v1/namespaces", { metadata: { name } });
  await setSettings(client, meshText("encryption: strict"));
  const log = new RecordingLog();
  const states: SourceState[] = [];
  const source = new KubernetesSource({
    client,
    namespace: "hawser-system",
    isLeader: () => true,
    metrics: new SourceMetrics(new Registry()),
    clock: systemClock,
    random: Math.random,
    log,
  });
  t.teardown(async () => {
    await source.close();
    client.close();
  });
  await source.start((state) => void states.push(state));
  const last = (): SourceState => {
    const state = states.at(-1);
    if (state === undefined) throw new Error("No state was given");
    return state;
  };
  t.deepEqual(last().problems, []);
  return { server, client, states, last, log };
}

async function conditionsOf(client: HttpKubeClient, path: string): Promise<string[] | undefined> {
  const route = await client.get<RouteObject>(path);
  const parent = route.status?.parents?.[0];
  return parent?.conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
}

async function create(client: HttpKubeClient, path: string, object: object): Promise<void> {
  await client.create(path, object);
}

async function setSettings(client: HttpKubeClient, text: string): Promise<void> {
  const path = "/api/v1/namespaces/hawser-system/configmaps/hawser";
  const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "hawser" }, data: { "mesh.yaml": text } };
  await client.patch(path, "application/apply-patch+yaml", body, { fieldManager: "test", force: true });
}

async function createPods(client: HttpKubeClient): Promise<void> {
  for (let first = 0; first < PODS; first += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => createPod(client, `pod-${first + index}`)));
  }
}

async function createPod(client: HttpKubeClient, name: string): Promise<void> {
  const spec = { nodeName: "node-1", containers: [{ name: "main", image: "nowhere/image" }] };
  await client.create("/api/v1/namespaces/shop/pods", { metadata: { name, labels: { app: "shop" } }, spec });
}

async function setStatus(client: HttpKubeClient, name: string, podIP: string): Promise<void> {
  const status = { phase: "Running", podIP, podIPs: [{ ip: podIP }] };
  await client.patch(`/api/v1/namespaces/shop/pods/${name}/status`, "application/merge-patch+json", { status });
}

function addressOf(documents: readonly Document[], name: string): string | undefined {
  const pod = documents.find(({ metadata }) => metadata.name === name);
  return pod?.kind === "Pod" ? pod.status.podIP : undefined;
}

/** Everything that was another object, or gone, in any of the states. */
function changed(before: readonly Document[], states: readonly SourceState[]): string[] {
  const names = new Set<string>();
  for (const { documents } of states) {
    const now = new Set(documents);
    const known = new Set(before);
    for (const document of before) if (!now.has(document)) names.add(document.source.file);
    for (const document of documents) if (!known.has(document)) names.add(document.source.file);
  }
  return [...names];
}

async function findEvent(client: HttpKubeClient, reason: string): Promise<{ readonly message: string } | undefined> {
  const list = await client.get<{ items: { reason: string; message: string }[] }>(
    "/api/v1/namespaces/hawser-system/events",
  );
  return list.items.find((event) => event.reason === reason);
}
