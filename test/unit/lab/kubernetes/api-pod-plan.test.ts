import test from "ava";
import { apiPodPlan, isHawserImage, labPodOf } from "../../../../lab/kubernetes/api-pod-plan.ts";
import type { ContainerSpec, PodObject } from "../../../../lab/kubernetes/kube-objects.ts";
import type { KubeClient } from "../../../../kubernetes/kube-client.ts";
import { KubeError } from "../../../../kubernetes/kube-client.ts";

const IPS = ["10.244.1.2", "fd10:244:1::2"];

const settings = {
  client: {
    get: (path: string) => {
      if (path === "/api/v1/namespaces/shop/configmaps/colours") return Promise.resolve({ data: { sea: "blue" } });
      return Promise.reject(new KubeError("not found", 404, "NotFound"));
    },
  } as unknown as KubeClient,
  stateDir: "/state",
  projectRoot: "/project",
  place: { nodeName: "node-1", hostIps: ["10.90.0.11"] },
  mounts: [],
  apiService: { host: "10.96.0.1", port: 443 },
};

function pod(container: Partial<ContainerSpec>, spec: Partial<PodObject["spec"]> = {}): PodObject {
  const metadata = { name: "web-1", namespace: "shop", uid: "u", labels: { app: "web" } };
  return { metadata, spec: { containers: [{ name: "web", ...container }], ...spec } };
}

test("a variable may be a field, a key of a ConfigMap, or made of those before it", async (t) => {
  const env = [
    { name: "HOST_IP", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } },
    { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
    { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
    { name: "SEA", valueFrom: { configMapKeyRef: { name: "colours", key: "sea" } } },
    { name: "LISTEN", value: "$(HOST_IP):15020" },
  ];
  const plan = await apiPodPlan(pod({ image: "m", command: ["serve", "$(LISTEN)"], env }), settings);
  const { argv, environment } = plan.program(IPS, "/stats");
  t.deepEqual(argv, ["serve", "10.90.0.11:15020"]);
  t.like(environment, { IP: "10.244.1.2", APP: "web", SEA: "blue", KUBERNETES_SERVICE_HOST: "10.96.0.1" });
});

test("a variable out of what does not exist is waited for, one out of who knows where is refused", async (t) => {
  const from = (valueFrom: object): Promise<unknown> => apiPodPlan(pod({ env: [{ name: "A", valueFrom }] }), settings);
  await t.throwsAsync(from({ configMapKeyRef: { name: "none", key: "sea" } }), { code: "kube-request-failed" });
  await t.throwsAsync(from({ configMapKeyRef: { name: "colours", key: "sky" } }), { code: "no-key" });
  await t.throwsAsync(from({ resourceFieldRef: {} }), { code: "unknown-env" });
});

test("Hawser's image has the two programs that ship, and no other", async (t) => {
  const program = async (command: string): Promise<readonly string[]> =>
    (await apiPodPlan(pod({ image: "hawser:0.1.0", command: [command] }), settings)).program(IPS, "").argv;
  t.is((await program("hawser-agent")).at(-1), "/state/programs/agent/main.cjs");
  t.is((await program("hawser-controller")).at(-1), "/state/programs/controller/main.cjs");
  await t.throwsAsync(program("bash"), { code: "no-program" });
});

test("an image is Hawser's by the last part of its name", (t) => {
  for (const image of ["hawser", "hawser:0.1.0", "registry.example.com:5000/a/hawser@sha256:00"])
    t.true(isHawserImage(image));
  for (const image of ["hawser-shop", "hawser/nginx:1", undefined]) t.false(isHawserImage(image));
});

test("probes find ports by name; what the lab cannot probe is refused", async (t) => {
  const ports = [{ name: "http-admin", containerPort: 15010 }];
  const httpGet = { path: "/readyz", port: "http-admin" };
  const plan = await apiPodPlan(pod({ ports, readinessProbe: { httpGet, periodSeconds: 3 } }), settings);
  t.deepEqual(plan.readiness, { action: { port: 15010, path: "/readyz" }, periodSeconds: 3, failureThreshold: 3 });
  await t.throwsAsync(apiPodPlan(pod({ readinessProbe: { httpGet } }), settings), { code: "no-port" });
  await t.throwsAsync(apiPodPlan(pod({ readinessProbe: {} }), settings), { code: "unknown-probe" });
});

test("the end of a pod is its manifest's: hook, grace, and whether it starts again", async (t) => {
  const preStop = { sleep: { seconds: 2 } };
  const plan = await apiPodPlan(pod({ lifecycle: { preStop } }, { terminationGracePeriodSeconds: 7 }), settings);
  t.like(plan, { preStop: { seconds: 2 }, graceSeconds: 7, restarts: true });
  t.like(await apiPodPlan(pod({}, { restartPolicy: "Never" }), settings), { restarts: false, graceSeconds: 30 });
  await t.throwsAsync(apiPodPlan(pod({ lifecycle: { preStop: {} } }), settings), { code: "unknown-hook" });
});

test("a pod of several containers is refused", (t) => {
  const two = pod({}, { containers: [{ name: "a" }, { name: "b" }] });
  t.throws(() => labPodOf(two, "node-1"), { code: "too-many-containers" });
});
