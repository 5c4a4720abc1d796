import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { assembleBundle } from "../../../agent/identity/certificate-bundle.ts";
import { createCertificateRequest } from "../../../agent/identity/certificate-request.ts";
import { AuthorityFiles } from "../../../controller/authority-files.ts";
import {
  type AuthorityMaterial,
  newAuthorityCertificate,
  newAuthorityKey,
  readAuthority,
} from "../../../controller/authority-material.ts";
import { timers } from "../../../controller/limits.ts";
import { TestAuthority } from "../../support/test-authority.ts";
import { checkCertificateRequest } from "../../../controller/certificate-request.ts";
import { RecordingLog } from "../../support/recording-log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { newKeys, openTestAuthority } from "../../support/certificate-requests.ts";

const identity = "spiffe://cluster.local/ns/shop/sa/default";
const HOUR_MS = 3_600_000;

async function open(directory: string, clock = new FakeClock()): Promise<AuthorityMaterial> {
  return new AuthorityFiles({ directory, trustDomain: "cluster.local", clock, log: new RecordingLog() }).open(() => {});
}

test("AuthorityFiles creates a root once and finds it again", async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await open(directory);
  const second = await open(directory);
  t.is(first.rootsPem, second.rootsPem);
  t.is(await readFile(join(directory, "ca-root.pem"), "utf8"), first.rootsPem);
  t.is((await stat(join(directory, "ca.key"))).mode & 0o777, 0o600);
  const root = new X509Certificate(first.rootsPem);
  t.true(root.ca);
  t.true(root.verify(root.publicKey));
});

test("AuthorityFiles makes the certificate that a crash left out", async (t) => {
  const directory = await temporaryDirectory(t);
  await open(directory);
  await rm(join(directory, "ca.crt"));
  const { rootsPem } = await open(directory);
  const key = createPrivateKey(await readFile(join(directory, "ca.key"), "utf8"));
  t.true(new X509Certificate(rootsPem).checkPrivateKey(key));
});

test("AuthorityFiles refuses a certificate without its key, and with another key", async (t) => {
  const directory = await temporaryDirectory(t);
  const other = await temporaryDirectory(t);
  await open(directory);
  await open(other);
  await rm(join(directory, "ca.key"));
  await t.throwsAsync(open(directory), { code: "ca-key-missing" });
  await writeFile(join(directory, "ca.key"), await readFile(join(other, "ca.key"), "utf8"));
  await t.throwsAsync(open(directory), { code: "ca-unusable", message: /ca.key is not the key/ });
});

test("AuthorityFiles refuses garbage and an expired root", async (t) => {
  const directory = await temporaryDirectory(t);
  const clock = new FakeClock();
  await open(directory, clock);
  await t.throwsAsync(open(directory, new FakeClock(clock.nowMs() + 11 * 365 * 24 * HOUR_MS)), { code: "ca-expired" });
  await writeFile(join(directory, "ca.crt"), "not a certificate");
  await t.throwsAsync(open(directory), { code: "ca-unusable" });
  await writeFile(join(directory, "ca.key"), "not a key");
  await t.throwsAsync(open(directory), { code: "ca-unusable" });
});

test("AuthorityFiles trusts a second root during a rotation", async (t) => {
  const [directory, next] = [await temporaryDirectory(t), await temporaryDirectory(t)];
  const nextRoot = await open(next);
  await writeFile(join(directory, "ca-extra-roots.pem"), nextRoot.rootsPem);
  const { rootsPem } = await open(directory);
  t.is(rootsPem.match(/BEGIN CERTIFICATE/g)?.length, 2);
  t.true(rootsPem.includes(nextRoot.rootsPem.trim()));
});

test("AuthorityFiles still opens when the roots for agents cannot be written", async (t) => {
  const directory = await temporaryDirectory(t);
  const { rootsPem } = await open(directory);
  await rm(join(directory, "ca-root.pem"));
  // A directory in its place fails for every user, root included.
  await mkdir(join(directory, "ca-root.pem"));
  t.is((await open(directory)).rootsPem, rootsPem);
});

test("AuthorityFiles takes a change that can be used, and tells one that cannot at the second look", async (t) => {
  const directory = await temporaryDirectory(t);
  const clock = new FakeClock();
  const log = new RecordingLog();
  const store = new AuthorityFiles({ directory, trustDomain: "cluster.local", clock, log });
  t.teardown(() => store.close());
  const changes: AuthorityMaterial[] = [];
  const first = await store.open((material) => changes.push(material));
  const look = async (): Promise<void> => {
    clock.advance(timers.authorityCheckMs);
    await store.settled();
  };
  const key = newAuthorityKey();
  const certificate = await newAuthorityCertificate({ text: key, place: "key" }, "mine", clock.nowMs());
  await writeFile(join(directory, "ca.key"), key);
  await look();
  t.is(store.problem, "", "the certificate may be on its way");
  await look();
  await look();
  t.regex(store.problem, /ca\.key is not the key of its first certificate/);
  t.is(log.lines.filter(({ level }) => level === "error").length, 1);
  t.deepEqual(changes, []);
  await writeFile(join(directory, "ca.crt"), certificate);
  await writeFile(join(directory, "ca-extra-roots.pem"), first.rootsPem);
  await look();
  t.is(store.problem, "");
  t.is(changes[0]?.rootsPem.match(/BEGIN/g)?.length, 2);
  t.not(changes[0]?.issuer, first.issuer);
  t.is(await readFile(join(directory, "ca-root.pem"), "utf8"), changes[0]?.rootsPem ?? "");
  await rm(join(directory, "ca.crt"));
  await look();
  await look();
  t.not(store.problem, "", "a certificate that is gone is not made anew behind the agents' backs");
});

test("readAuthority takes an intermediate with its chain in any place, and refuses one that leads nowhere", async (t) => {
  const nowMs = Date.now();
  const root = await TestAuthority.create("Corporate root");
  const key = newAuthorityKey();
  const intermediate = await root.issueAuthority(key, "Mesh");
  const place = (text: string, name: string): { text: string; place: string } => ({ text, place: name });
  const keyText = place(key, "tls.key");
  for (const [certificate, further] of [
    [`${intermediate}\n${root.rootPem}`, ""],
    [intermediate, root.rootPem],
  ] as const) {
    const texts = { key: keyText, certificate: place(certificate, "tls.crt"), further: [place(further, "ca.crt")] };
    const material = await readAuthority(texts, nowMs);
    t.is(material.intermediatesPem.match(/BEGIN/g)?.length, 1);
    t.is(new X509Certificate(material.rootsPem).subject, "CN=Corporate root");
  }
  const other = await TestAuthority.create("Another root");
  const lost = { key: keyText, certificate: place(intermediate, "tls.crt"), further: [place(other.rootPem, "ca.crt")] };
  await t.throwsAsync(readAuthority(lost, nowMs), {
    code: "ca-unusable",
    message: /tls\.crt: .* do not lead to a root/,
  });
  const rootless = { key: keyText, certificate: place(intermediate, "tls.crt"), further: [place("", "ca.crt")] };
  await t.throwsAsync(readAuthority(rootless, nowMs), { message: /no root is in it or in ca\.crt/ });
});

test("a workload certificate belongs to its key, names one identity and leads to the root", async (t) => {
  const clock = new FakeClock();
  const authority = await openTestAuthority(await temporaryDirectory(t), clock);
  const { keyPem, csrPem } = await createCertificateRequest(identity);
  const { publicKey } = await checkCertificateRequest(csrPem);
  const issued = await authority.issueWorkload(identity, publicKey, 24 * HOUR_MS);
  const bundle = assembleBundle({ identity, keyPem, chainPem: issued.chainPem, rootsPem: authority.rootsPem });
  t.is(bundle.notAfterMs, clock.nowMs() + 24 * HOUR_MS);
  t.is(bundle.notBeforeMs, clock.nowMs() - 120_000);
  const leaf = new X509Certificate(issued.chainPem);
  t.false(leaf.ca);
  t.is(leaf.subjectAltName, `URI:${identity}`);
  t.deepEqual([...(leaf.keyUsage ?? [])].sort(), ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
});

test("a certificate never outlives the root, and a short one is not mostly in the past", async (t) => {
  const clock = new FakeClock();
  const authority = await openTestAuthority(await temporaryDirectory(t), clock);
  const { publicKey } = await newKeys();
  const long = await authority.issueWorkload(identity, publicKey, 100 * 365 * 24 * HOUR_MS);
  t.is(long.notAfter.getTime(), authority.notAfterMs);
  const short = await authority.issueWorkload(identity, publicKey, 20_000);
  t.is(short.notBefore.getTime(), clock.nowMs() - 2_000);
});

test("serial numbers differ and are positive", async (t) => {
  const authority = await openTestAuthority(await temporaryDirectory(t), new FakeClock());
  const { publicKey } = await newKeys();
  const serials = new Set<string>();
  for (let index = 0; index < 20; index += 1) {
    const { chainPem } = await authority.issueWorkload(identity, publicKey, HOUR_MS);
    const { serialNumber } = new X509Certificate(chainPem);
    t.regex(serialNumber, /^[0-9A-F]+$/);
    serials.add(serialNumber);
  }
  t.is(serials.size, 20);
});

test("a server certificate has the controller's names and cannot pass for a workload", async (t) => {
  const authority = await openTestAuthority(await temporaryDirectory(t), new FakeClock());
  const { publicKey } = await newKeys();
  const { chainPem } = await authority.issueServer(["hawser.example", "192.0.2.7", "2001:db8::7"], publicKey, HOUR_MS);
  const leaf = new X509Certificate(chainPem);
  t.truthy(leaf.checkHost("hawser.example"));
  t.truthy(leaf.checkIP("192.0.2.7"));
  t.truthy(leaf.checkIP("2001:db8::7"));
  t.false(leaf.subjectAltName?.includes("URI:"));
  t.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
});
