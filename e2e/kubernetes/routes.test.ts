/** HTTPRoutes as objects of the API server: applied with kubectl, they hold on all nodes, and say so in their status. */
import type { Lab } from "../../lab/lab-client.ts";
import type { LabPod } from "../../lab/lab-status.ts";
import { gatewayApiDefinitions } from "../../test/support/gateway-api-definitions.ts";
import type { HttpOutcome, HttpRequests } from "../pods/http-requests.ts";
import {
  clientPod,
  httpRoute,
  mesh,
  type NodeNumber,
  pod,
  service,
  STORY_NAMESPACE,
} from "../support/cluster-documents.ts";
import { eventually } from "../support/eventually.ts";
import { kubectl, kubeObject, mergePatch } from "../support/kubectl.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { SYSTEM_NAMESPACE } from "../support/mesh-pods.ts";
import { runProgram } from "../support/run-program.ts";
import { answeredBy } from "../support/answered-by.ts";

const PORT = 7000;
const CHANGE = { timeoutMs: 10_000 };
const COUNTED = 1_000;
/** Of 1,000 requests with a share of 10 %: five standard deviations. */
const TOLERANCE = 50;
/** Longer than the story. */
const HOUR_MS = 3_600_000;

interface RouteStatus {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly parents: readonly {
      readonly controllerName: string;
      readonly conditions: readonly {
        readonly type: string;
        readonly status: string;
        readonly reason: string;
        readonly observedGeneration: number;
      }[];
    }[];
  };
}

const story = await kubernetesStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  server("web-1", 2),
  server("web-2", 3),
  service({ name: "catalog", number: 121, selector: { app: "web-1" }, ports: [PORT] }),
  service({ name: "v1", number: 122, selector: { app: "web-1" }, ports: [PORT] }),
  service({ name: "v2", number: 123, selector: { app: "web-2" }, ports: [PORT] }),
]);

story(
  "routes hold as soon as the Gateway API is installed and they are applied, and their status says so",
  async (t, lab) => {
    t.is((await ask(lab, "/elsewhere")).status, 200, "without routes, every path is the application's own");
    // The real ones are larger than the annotation that a client-side apply writes may be.
    await kubectl(lab, ["apply", "--server-side", "--filename", "-"], list(gatewayApiDefinitions()));
    await kubectl(lab, [
      "wait",
      "--for=condition=Established",
      "crd/httproutes.gateway.networking.k8s.io",
      "--timeout=20s",
    ]);
    await applyRoute(lab, { v1: 90, v2: 10 });
    await eventually("the route to hold", CHANGE, async () => (await ask(lab, "/elsewhere")).status === 404);
    t.like(await ask(lab, "/shop"), { status: 200 });
    t.deepEqual(await conditions(lab), ["Accepted True Accepted", "ResolvedRefs True ResolvedRefs"]);
    const counts = await count(lab, COUNTED);
    t.log(counts);
    t.true(Math.abs((counts["web-2"] ?? 0) - COUNTED / 10) < TOLERANCE, JSON.stringify(counts));
  },
);

story("weights that are edited hold for the next requests, and none fails meanwhile", async (t, lab) => {
  await holds(lab);
  const load = count(lab, 2_000, { loops: 4, pauseMs: 2 });
  for (const v2 of [50, 100]) await applyRoute(lab, { v1: 100 - v2, v2 });
  t.log(await load);
  await eventually("all requests to go to v2", CHANGE, async () => (await ask(lab, "/shop")).seen?.pod === "web-2");
  t.deepEqual(await count(lab, 50), { "web-2": 50 });
});

story("a backend that does not exist is told in the status, and its share is answered with 500", async (t, lab) => {
  await holds(lab);
  await applyRoute(lab, { v1: 0, gone: 1 });
  await eventually("the condition", CHANGE, async () =>
    (await conditions(lab)).includes("ResolvedRefs False BackendNotFound"),
  );
  const { status, headers } = await ask(lab, "/shop");
  t.deepEqual([status, headers["hawser-reason"]], [500, "invalid-backend"]);
});

story(
  "a RequestMatch and a policy hold for a route while they are in the ConfigMap, and its status says so",
  async (t, lab) => {
    await holds(lab);
    const matches = [{ path: { type: "PathPrefix", value: "/shop" } }];
    const extensionRef = { group: "hawser.dev", kind: "RequestMatch", name: "testers" };
    const filters = [{ type: "ExtensionRef", extensionRef }];
    const testers = { name: "testers", matches, filters, backendRefs: [{ name: "v2", port: PORT }] };
    await apply(
      lab,
      httpRoute("catalog", { rules: [testers, { matches, backendRefs: [{ name: "v1", port: PORT }] }] }),
    );
    await eventually("the missing RequestMatch to be told", CHANGE, async () =>
      (await conditions(lab)).includes("ResolvedRefs False BackendNotFound"),
    );
    t.is((await ask(lab, "/shop")).status, 500);
    const of = (kind: string, spec: object) => ({
      apiVersion: "hawser.dev/v1",
      kind,
      metadata: { name: "testers", namespace: STORY_NAMESPACE },
      spec,
    });
    const until = new Date(Date.now() + HOUR_MS).toISOString();
    const policy = {
      targetRef: { group: "gateway.networking.k8s.io", kind: "HTTPRoute", name: "catalog", sectionName: "testers" },
      faults: [{ abort: { status: 418 }, until }],
    };
    const documents = [of("RequestMatch", { namespaces: [STORY_NAMESPACE] }), of("TrafficPolicy", policy)];
    await settings(documents.map((document) => JSON.stringify(document)).join("\n---\n"));
    await eventually("both to hold", CHANGE, async () => (await ask(lab, "/shop")).status === 418);
    await eventually("the condition", CHANGE, async () =>
      (await conditions(lab)).includes("ResolvedRefs True ResolvedRefs"),
    );
    await settings(null);
    await eventually("neither to hold", CHANGE, async () => (await ask(lab, "/shop")).status === 500);

    async function settings(text: string | null): Promise<void> {
      await mergePatch(lab, SYSTEM_NAMESPACE, "configmap/hawser", { data: { "policies.yaml": text } });
    }
  },
);

story("a deleted route is gone: the Service is carried as connections again", async (t, lab) => {
  await holds(lab);
  await kubectl(lab, ["--namespace", STORY_NAMESPACE, "delete", "httproute", "catalog"]);
  await eventually("no rule to hold", CHANGE, async () => (await ask(lab, "/elsewhere")).status === 200);
  t.like(await ask(lab, "/shop"), { status: 200, seen: { pod: "web-1" } });
});

function list(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

/** Service -> weight. */
async function applyRoute(lab: Lab, weights: Readonly<Record<string, number>>): Promise<void> {
  const backendRefs = Object.entries(weights).map(([name, weight]) => ({ name, port: PORT, weight }));
  const rules = [{ matches: [{ path: { type: "PathPrefix", value: "/shop" } }], backendRefs }];
  await apply(lab, httpRoute("catalog", { rules }));
}

async function apply(lab: Lab, object: object): Promise<void> {
  await kubectl(lab, ["apply", "--filename", "-"], JSON.stringify(object));
}

async function holds(lab: Lab): Promise<void> {
  await eventually("the route to hold", CHANGE, async () => (await ask(lab, "/elsewhere")).status === 404);
}

/** Of the newest generation; waits for them. */
async function conditions(lab: Lab): Promise<readonly string[]> {
  return await eventually("the route's status", CHANGE, async () => {
    const route = await kubeObject<RouteStatus>(lab, STORY_NAMESPACE, "httproute/catalog");
    const parent = route.status?.parents.find(({ controllerName }) => controllerName.startsWith("hawser.dev/"));
    const newest = parent?.conditions.filter((one) => one.observedGeneration === route.metadata.generation) ?? [];
    return newest.length === 0 ? undefined : newest.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
  });
}

async function ask(lab: Lab, path: string): Promise<HttpOutcome> {
  return (await run(lab, { url: `http://catalog:${PORT}${path}` }))[0] as HttpOutcome;
}

/** Pod -> requests that it answered. Throws when one failed. */
async function count(lab: Lab, requests: number, more: object = {}): Promise<Readonly<Record<string, number>>> {
  const outcomes = await run(lab, { url: `http://catalog:${PORT}/shop`, requests, ...more });
  const failed = outcomes.filter(({ status }) => status !== 200);
  if (failed.length > 0) throw new Error(`${failed.length} requests failed: ${JSON.stringify(failed[0])}`);
  return answeredBy(outcomes);
}

async function run(lab: Lab, requests: HttpRequests): Promise<readonly HttpOutcome[]> {
  return await runProgram<readonly HttpOutcome[]>(lab, "client", "http-requests.ts", [JSON.stringify(requests)]);
}

function server(name: string, node: NodeNumber): LabPod {
  return pod({ name, node, command: ["node", "e2e/pods/http-server.ts", `${PORT}`], port: PORT });
}
