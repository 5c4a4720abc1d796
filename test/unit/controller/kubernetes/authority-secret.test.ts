import { X509Certificate } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import {
  type AuthorityMaterial,
  newAuthorityCertificate,
  newAuthorityKey,
} from "../../../../controller/authority-material.ts";
import { AuthoritySecret } from "../../../../controller/kubernetes/authority-secret.ts";
import { timers } from "../../../../controller/limits.ts";
import { KubeError } from "../../../../kubernetes/kube-client.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { MemoryKube } from "../../../support/memory-kube.ts";
import { RecordingLog } from "../../../support/recording-log.ts";

const SECRET = "/api/v1/namespaces/hawser-system/secrets/hawser-ca";
const ROOTS = "/api/v1/namespaces/hawser-system/configmaps/hawser-ca-root";

class Replica {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly changes: AuthorityMaterial[] = [];
  readonly store: AuthoritySecret;

  constructor(t: ExecutionContext, client: MemoryKube) {
    const { clock, log } = this;
    const options = { client, namespace: "hawser-system", trustDomain: "cluster.local", clock, random: () => 0, log };
    this.store = new AuthoritySecret(options);
    t.teardown(() => this.store.close());
  }

  open(): Promise<AuthorityMaterial> {
    return this.store.open((material) => this.changes.push(material));
  }
}

interface Pair {
  readonly key: string;
  readonly certificate: string;
}

async function newPair(): Promise<Pair> {
  const key = newAuthorityKey();
  return { key, certificate: await newAuthorityCertificate({ text: key, place: "key" }, "mine", Date.UTC(2026, 0, 1)) };
}

function secret(texts: Readonly<Record<string, string>>): object {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
  return { metadata: { name: "hawser-ca" }, type: "kubernetes.io/tls", data };
}

function publishedRoots(client: MemoryKube): string | undefined {
  return (client.objects.get(ROOTS) as { data?: Record<string, string> } | undefined)?.data?.["ca-root.pem"];
}

test("replicas that start together have one authority, and publish its root", async (t) => {
  const client = new MemoryKube();
  const replicas = [new Replica(t, client), new Replica(t, client), new Replica(t, client)];
  const materials = await Promise.all(replicas.map((replica) => replica.open()));
  t.is(new Set(materials.map(({ issuer }) => issuer)).size, 1);
  t.like(client.objects.get(SECRET), { type: "kubernetes.io/tls" });
  t.is(client.calls.filter((call) => call.startsWith("create") && call.includes("secrets")).length, 3, "all tried");
  await eventually("the root is published", () => publishedRoots(client) === materials[0]?.rootsPem);
});

test("an authority that the user brings is used as it is, and never written", async (t) => {
  const client = new MemoryKube();
  const { key, certificate } = await newPair();
  client.put(SECRET, secret({ "tls.key": key, "tls.crt": certificate, "ca.crt": certificate }));
  const material = await new Replica(t, client).open();
  t.is(new X509Certificate(material.rootsPem).fingerprint256, new X509Certificate(certificate).fingerprint256);
  t.is(material.intermediatesPem, "");
  t.deepEqual(
    client.calls.filter((call) => /^(create|patch|replace) .*secrets/.test(call)),
    [],
  );
});

test("a Secret that cannot be used is told with its key, and taken once it can", async (t) => {
  const client = new MemoryKube();
  const [mine, another] = await Promise.all([newPair(), newPair()]);
  const cases: [Readonly<Record<string, string>>, RegExp][] = [
    [{ "tls.key": mine.key }, /tls\.crt of the Secret hawser-system\/hawser-ca: it holds no certificate/],
    [{ "tls.crt": mine.certificate }, /tls\.key of the Secret hawser-system\/hawser-ca: it is not a private key/],
    [{ "tls.key": another.key, "tls.crt": mine.certificate }, /tls\.key of .* is not the key of its first certificate/],
  ];
  const replica = new Replica(t, client);
  client.put(SECRET, secret(cases[0]?.[0] ?? {}));
  const opening = replica.open();
  for (const [texts, expected] of cases) {
    client.put(SECRET, secret(texts));
    await eventually(String(expected), () => expected.test(replica.log.text));
  }
  client.put(SECRET, secret({ "tls.key": mine.key, "tls.crt": mine.certificate }));
  t.is(
    new X509Certificate((await opening).rootsPem).fingerprint256,
    new X509Certificate(mine.certificate).fingerprint256,
  );
});

test("a rotation is taken live: two roots, another signer, one root", async (t) => {
  const client = new MemoryKube();
  const replica = new Replica(t, client);
  const first = await replica.open();
  const { data } = client.objects.get(SECRET) as unknown as { data: Record<string, string> };
  const text = (key: string): string => Buffer.from(data[key] ?? "", "base64").toString();
  const next = await newPair();
  const old = { key: text("tls.key"), certificate: text("tls.crt") };
  const steps: [Readonly<Record<string, string>>, number][] = [
    [{ "tls.key": old.key, "tls.crt": old.certificate, "extra-roots.pem": next.certificate }, 2],
    [{ "tls.key": next.key, "tls.crt": next.certificate, "extra-roots.pem": old.certificate }, 2],
    [{ "tls.key": next.key, "tls.crt": next.certificate }, 1],
  ];
  for (const [index, [texts, roots]] of steps.entries()) {
    client.put(SECRET, secret(texts));
    const material = await eventually("the change is told", () => replica.changes[index]);
    t.is(material.rootsPem.match(/BEGIN/g)?.length, roots);
    t.is(material.issuer === first.issuer, index === 0);
    await eventually("the roots are published", () => publishedRoots(client) === material.rootsPem);
  }
});

test("the published roots are repaired, and a Secret that was deleted is told and not replaced", async (t) => {
  const client = new MemoryKube();
  const replica = new Replica(t, client);
  const { rootsPem } = await replica.open();
  await eventually("the roots are published", () => publishedRoots(client) === rootsPem);
  client.put(ROOTS, { metadata: { name: "hawser-ca-root" }, data: { "ca-root.pem": "wrong", mine: "stays" } });
  replica.clock.advance(timers.repairMs);
  await eventually("they are repaired", () => publishedRoots(client) === rootsPem);
  t.like(client.objects.get(ROOTS), { data: { mine: "stays" } });
  await client.delete(ROOTS);
  replica.clock.advance(timers.repairMs);
  await eventually("they are there again", () => publishedRoots(client) === rootsPem);
  await client.delete(SECRET);
  await eventually("it is told", () => /the Secret was deleted/.test(replica.log.text));
  t.false(client.objects.has(SECRET));
  t.deepEqual(replica.changes, []);
});

test("a Secret that was deleted is not replaced by a controller that starts either", async (t) => {
  const client = new MemoryKube();
  const replica = new Replica(t, client);
  const { rootsPem } = await replica.open();
  await eventually("the roots are published", () => publishedRoots(client) === rootsPem);
  await client.delete(SECRET);
  await replica.store.close();
  const next = new Replica(t, client);
  const opening = next.open();
  await eventually("it is told", () => /the Secret was deleted; restore it/.test(next.log.text));
  t.false(client.objects.has(SECRET));
  const { key, certificate } = await newPair();
  client.put(SECRET, secret({ "tls.key": key, "tls.crt": certificate }));
  t.truthy((await opening).rootsPem);
  t.is(next.store.problem, "");
});

test("a start goes on when the API server does, and says why it waits", async (t) => {
  const client = new MemoryKube();
  client.intercept = (verb) => (verb === "create" ? Promise.reject(new KubeError("no", 403, "Forbidden")) : undefined);
  const replica = new Replica(t, client);
  const opening = replica.open();
  await eventually("it is told", () => /Cannot have a certificate authority/.test(replica.log.text));
  t.regex(replica.store.problem, /no/);
  client.intercept = () => undefined;
  replica.clock.advance(timers.authorityRetryMs);
  t.truthy((await opening).rootsPem);
});
