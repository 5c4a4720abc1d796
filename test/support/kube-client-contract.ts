/**
 * What holds for a KubeClient and whatever it speaks to: the double of the API server, and a real one. A suite, so that the
 * double cannot drift away from what it stands for.
 */
import type { ExecutionContext } from "ava";
import type { HttpKubeClient } from "../../kubernetes/http-kube-client.ts";
import { KubeError, type KubeList, type KubeObject, type KubeWatchEvent } from "../../kubernetes/kube-client.ts";
import { eventually } from "./eventually.ts";

export interface KubeApiUnderTest {
  readonly client: HttpKubeClient;
  /** A namespace that is there and empty. */
  readonly namespace: string;
}

type ConfigMap = KubeObject & { readonly data?: Record<string, string> };
type PodLike = KubeObject & { readonly spec: object; readonly status?: { readonly phase?: string } };

type Test = (title: string, run: (t: ExecutionContext) => Promise<void>) => void;

export function kubeClientContract(test: Test, open: (t: ExecutionContext) => Promise<KubeApiUnderTest>): void {
  test("an object is created, read, replaced, patched in two ways and deleted", async (t) => {
    const { client, namespace } = await open(t);
    const collection = `/api/v1/namespaces/${namespace}/configmaps`;
    const path = `${collection}/settings`;
    const created = await client.create<ConfigMap>(collection, configMap("settings", { a: "1" }));
    t.deepEqual([created.metadata.namespace, created.data], [namespace, { a: "1" }]);
    t.truthy(created.metadata.uid);
    const replaced = await client.replace<ConfigMap>(path, { ...created, data: { a: "2" } });
    t.not(replaced.metadata.resourceVersion, created.metadata.resourceVersion);
    t.is(replaced.metadata.uid, created.metadata.uid);
    const merge = { data: { a: null, b: "3" } };
    t.deepEqual((await client.patch<ConfigMap>(path, "application/merge-patch+json", merge)).data, { b: "3" });
    const add = [{ op: "add", path: "/data/c", value: "4" }];
    t.deepEqual((await client.patch<ConfigMap>(path, "application/json-patch+json", add)).data, { b: "3", c: "4" });
    t.deepEqual((await client.get<ConfigMap>(path)).data, { b: "3", c: "4" });
    await client.delete(path);
    await failsWith(t, client.get(path), 404, "NotFound");
  });

  test("what is there, is not there or has changed meanwhile is refused by its name", async (t) => {
    const { client, namespace } = await open(t);
    const collection = `/api/v1/namespaces/${namespace}/configmaps`;
    const first = await client.create<ConfigMap>(collection, configMap("one", { a: "1" }));
    await failsWith(t, client.create(collection, configMap("one", {})), 409, "AlreadyExists");
    await client.replace(`${collection}/one`, { ...first, data: { a: "2" } });
    await failsWith(t, client.replace(`${collection}/one`, { ...first, data: { a: "3" } }), 409, "Conflict");
    const { resourceVersion } = first.metadata;
    const late = { metadata: { resourceVersion }, data: { a: "4" } };
    await failsWith(t, client.patch(`${collection}/one`, "application/merge-patch+json", late), 409, "Conflict");
    await failsWith(t, client.delete(`${collection}/two`), 404, "NotFound");
    await failsWith(t, client.patch(`${collection}/two`, "application/merge-patch+json", {}), 404, "NotFound");
    await failsWith(t, client.get("/apis/nobody.example/v1/things"), 404);
  });

  test("a list comes in pages of one version", async (t) => {
    const { client, namespace } = await open(t);
    const collection = `/api/v1/namespaces/${namespace}/configmaps`;
    for (const name of ["a", "b", "c", "d", "e"]) await client.create(collection, configMap(name, {}));
    const first = await client.get<KubeList<ConfigMap>>(collection, { limit: 2, labelSelector: "test=contract" });
    t.deepEqual(namesOf(first), ["a", "b"]);
    await client.delete(`${collection}/e`);
    const next = { limit: 500, labelSelector: "test=contract", continue: first.metadata.continue };
    const second = await client.get<KubeList<ConfigMap>>(collection, next);
    t.deepEqual(namesOf(second), ["c", "d", "e"]);
    t.is(second.metadata.resourceVersion, first.metadata.resourceVersion);
    t.falsy(second.metadata.continue);
    const one = await client.get<KubeList<ConfigMap>>(collection, { fieldSelector: "metadata.name=c" });
    t.deepEqual(namesOf(one), ["c"]);
    t.deepEqual(namesOf(await client.get(collection, { labelSelector: "test!=contract,x" })), []);
  });

  test("a watch tells what happened since its version, in order, and what happens", async (t) => {
    const { client, namespace } = await open(t);
    const collection = `/api/v1/namespaces/${namespace}/configmaps`;
    const { metadata } = await client.get<KubeList<ConfigMap>>(collection);
    await client.create(collection, configMap("before", {}));
    const seen: string[] = [];
    const ending = new AbortController();
    const query = { resourceVersion: metadata.resourceVersion, fieldSelector: "metadata.name=before" };
    const watching = client.watch<ConfigMap>(collection, query, (event) => seen.push(tell(event)), ending.signal);
    await eventually("the past", () => seen.length === 1);
    await client.create(collection, configMap("other", {}));
    await client.patch(`${collection}/before`, "application/merge-patch+json", { data: { a: "1" } });
    await client.delete(`${collection}/before`);
    await eventually("the present", () => seen.length === 3);
    t.deepEqual(seen, ["ADDED before", "MODIFIED before", "DELETED before"]);
    ending.abort();
    const error = await t.throwsAsync(watching, { instanceOf: KubeError });
    t.is(error.reason, "Aborted");
  });

  test("a watch ends in order when its time is over", async (t) => {
    const { client, namespace } = await open(t);
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const { metadata } = await client.get<KubeList<ConfigMap>>(path);
    const { resourceVersion } = metadata;
    await t.notThrowsAsync(
      client.watch(path, { resourceVersion, timeoutSeconds: 1 }, () => {}, new AbortController().signal),
    );
  });

  test("a status is written at a place of its own, and nowhere else", async (t) => {
    const { client, namespace } = await open(t);
    const collection = `/api/v1/namespaces/${namespace}/pods`;
    const spec = { containers: [{ name: "c", image: "i" }] };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec, status: { phase: "Running" } };
    const created = await client.create<PodLike>(collection, pod);
    t.not(created.status?.phase, "Running");
    const status = { status: { phase: "Running" }, metadata: { labels: { ignored: "yes" } } };
    const patched = await client.patch<PodLike>(`${collection}/p/status`, "application/merge-patch+json", status);
    t.is(patched.status?.phase, "Running");
    const plain = { status: { phase: "Failed" }, metadata: { labels: { a: "1" } } };
    const after = await client.patch<PodLike>(`${collection}/p`, "application/merge-patch+json", plain);
    t.is(after.status?.phase, "Running");
    t.is(after.metadata.labels?.["a"], "1");
  });

  test("an unchanged object keeps its version", async (t) => {
    const { client, namespace } = await open(t);
    const collection = `/api/v1/namespaces/${namespace}/configmaps`;
    const created = await client.create<ConfigMap>(collection, configMap("same", { a: "1" }));
    const again = await client.patch<ConfigMap>(`${collection}/same`, "application/merge-patch+json", {
      data: { a: "1" },
    });
    t.is(again.metadata.resourceVersion, created.metadata.resourceVersion);
  });
}

function configMap(name: string, data: Record<string, string>): object {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels: { test: "contract" } }, data };
}

function namesOf(list: KubeList<KubeObject>): string[] {
  return list.items.map(({ metadata }) => metadata.name);
}

function tell({ type, object }: KubeWatchEvent<KubeObject>): string {
  return `${type} ${object.metadata.name}`;
}

async function failsWith(t: ExecutionContext, call: Promise<unknown>, status: number, reason?: string): Promise<void> {
  const error = await t.throwsAsync(call, { instanceOf: KubeError });
  t.is(error.status, status);
  if (reason !== undefined) t.is(error.reason, reason);
}
