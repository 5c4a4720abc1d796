import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type CertificateBundle, CertificateError } from "../../../../agent/identity/certificate-bundle.ts";
import { createCertificateRequest } from "../../../../agent/identity/certificate-request.ts";
import { CertificateManager, type SignedCertificate } from "../../../../agent/identity/certificate-manager.ts";
import { CertificateStore } from "../../../../agent/identity/certificate-store.ts";
import { identityLimits } from "../../../../agent/identity/limits.ts";
import type { CertificateAuthority } from "../../../../controller/certificate-authority.ts";
import { checkCertificateRequest } from "../../../../controller/certificate-request.ts";
import { openTestAuthority } from "../../../support/certificate-requests.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { RecordingLog } from "../../../support/recording-log.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const HOUR_MS = 3_600_000;
const catalog = "spiffe://cluster.local/ns/shop/sa/catalog";
const reviews = "spiffe://cluster.local/ns/shop/sa/reviews";

class Bench {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly events: string[] = [];
  readonly changes: [string, CertificateBundle | undefined][] = [];
  readonly directory: string;
  readonly store: CertificateStore;
  authority: CertificateAuthority;
  requests = 0;
  underWay = 0;
  mostUnderWay = 0;
  /** Set: what `sign` throws. */
  failure: Error | undefined;
  /** While set, `sign` waits for it. */
  gate: Promise<void> | undefined;

  constructor(directory: string, authority: CertificateAuthority) {
    this.directory = join(directory, "certificates");
    this.authority = authority;
    this.store = new CertificateStore({ directory: this.directory, log: this.log });
  }

  static async create(t: ExecutionContext): Promise<Bench> {
    const directory = await temporaryDirectory(t);
    return new Bench(directory, await openTestAuthority(directory, new FakeClock()));
  }

  async manager(t: ExecutionContext, store: Partial<CertificateStore> = this.store): Promise<CertificateManager> {
    const manager = new CertificateManager({
      createRequest: createCertificateRequest,
      sign: (csrPem) => this.#sign(csrPem),
      store: store as CertificateStore,
      clock: this.clock,
      random: () => 0.5,
      log: this.log,
      count: (event) => this.events.push(event),
    });
    manager.onChange((identity, bundle) => this.changes.push([identity, bundle]));
    t.teardown(() => manager.close());
    await manager.start();
    return manager;
  }

  async #sign(csrPem: string): Promise<SignedCertificate> {
    this.requests += 1;
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    await this.gate;
    this.underWay -= 1;
    if (this.failure !== undefined) throw this.failure;
    const { identity, publicKey } = await checkCertificateRequest(csrPem);
    const { chainPem } = await this.authority.issueWorkload(identity, publicKey, 24 * HOUR_MS);
    return { chain: chainPem, roots: this.authority.rootsPem };
  }
}

test("a wanted identity is given a certificate, kept on disk for its owner only", async (t) => {
  const bench = await Bench.create(t);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  t.deepEqual(manager.missing(), [catalog]);
  const bundle = await eventually("the certificate", () => manager.bundles().get(catalog));
  t.is(bundle.notAfterMs, bench.clock.nowMs() + 24 * HOUR_MS);
  t.deepEqual(manager.missing(), []);
  await manager.close();
  const [file] = await readdir(bench.directory);
  t.is((await stat(join(bench.directory, file ?? ""))).mode & 0o777, 0o600);
  t.is((await stat(bench.directory)).mode & 0o777, 0o700);
  t.false(bench.log.text.includes("PRIVATE KEY"));
});

test("what is missing since a moment ago can be told from what stays missing", async (t) => {
  const bench = await Bench.create(t);
  bench.failure = new Error("no controller");
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  bench.clock.advance(4_999);
  t.deepEqual(manager.missing(5_000), []);
  bench.clock.advance(1);
  t.deepEqual(manager.missing(5_000), [catalog]);
  manager.setWanted(new Set());
  manager.setWanted(new Set([catalog]));
  t.deepEqual(manager.missing(5_000), []);
  await manager.close();
});

test("a restarted manager serves from the disk without a request", async (t) => {
  const bench = await Bench.create(t);
  const first = await bench.manager(t);
  first.setWanted(new Set([catalog]));
  const bundle = await eventually("the certificate", () => first.bundles().get(catalog));
  await first.close();
  const second = await bench.manager(t);
  second.setWanted(new Set([catalog]));
  t.deepEqual(second.bundles().get(catalog), bundle);
  t.is(bench.requests, 1);
});

test("a certificate is renewed at half life with a new key, and the old one serves until then", async (t) => {
  const bench = await Bench.create(t);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  const old = await eventually("the certificate", () => manager.bundles().get(catalog));
  bench.clock.advance(11 * HOUR_MS);
  t.is(bench.requests, 1);
  bench.clock.advance(HOUR_MS);
  const renewed = await eventually("the renewal", () => {
    const bundle = manager.bundles().get(catalog);
    return bundle === old ? undefined : bundle;
  });
  t.not(renewed.keyPem, old.keyPem);
  t.is(bench.requests, 2);
});

test("a failing request is tried again with growing waits, and at once when the channel opens", async (t) => {
  const bench = await Bench.create(t);
  bench.failure = new Error("no channel");
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  const waits: unknown[] = [];
  for (let failures = 1; failures <= 12; failures += 1) {
    const line = await eventually(
      `failure ${failures}`,
      () => bench.log.lines.filter((l) => l.level === "warn")[failures - 1],
    );
    waits.push(line.fields["retryInMs"]);
    bench.clock.advance(Number(line.fields["retryInMs"]));
  }
  t.deepEqual(waits.slice(0, 4), [150, 300, 600, 1_200]);
  t.is(waits.at(-1), 112_500);
  await eventually("the last failure", () => bench.requests === 13 && bench.underWay === 0);
  await eventually("it is counted", () => bench.events.length === 13);
  bench.failure = undefined;
  manager.retryNow();
  await eventually("the certificate", () => manager.bundles().get(catalog));
  t.is(bench.requests, 14);
});

test("a renewal that keeps failing is loud, and an expired certificate is taken out", async (t) => {
  const bench = await Bench.create(t);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  await eventually("the certificate", () => manager.bundles().get(catalog));
  bench.failure = new Error("controller is away");
  for (let hours = 0; hours < 25; hours += 1) {
    const before = bench.events.length;
    bench.clock.advance(HOUR_MS);
    if (hours >= 12) await eventually("another failure", () => bench.events.length > before);
  }
  t.true(bench.log.lines.some((line) => line.level === "error" && /keeps failing/.test(line.message)));
  t.true(bench.log.lines.some((line) => line.level === "error" && /expired before/.test(line.message)));
  t.false(manager.bundles().has(catalog));
  t.deepEqual(bench.changes.at(-1), [catalog, undefined]);
});

test("an unwanted identity is given up at once, comes back at once, and is forgotten later with its file", async (t) => {
  const bench = await Bench.create(t);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog, reviews]));
  await eventually("both certificates", () => manager.bundles().size === 2);
  manager.setWanted(new Set([catalog]));
  t.deepEqual([...manager.bundles().keys()], [catalog]);
  manager.setWanted(new Set([catalog, reviews]));
  t.is(manager.bundles().size, 2);
  t.is(bench.requests, 2);
  manager.setWanted(new Set([catalog]));
  bench.clock.advance(identityLimits.unwantedMs + identityLimits.scheduleCheckMs);
  await eventually("the file is gone", async () => (await readdir(bench.directory)).length === 1);
  t.pass();
});

test("at most eight requests are under way", async (t) => {
  const bench = await Bench.create(t);
  let open = (): void => {};
  bench.gate = new Promise((resolve) => {
    open = resolve;
  });
  const manager = await bench.manager(t);
  const identities = Array.from({ length: 30 }, (_, index) => `spiffe://cluster.local/ns/shop/sa/pod-${index}`);
  manager.setWanted(new Set(identities));
  await eventually("the first are under way", () => bench.underWay === identityLimits.concurrentRequests);
  open();
  await eventually("all certificates", () => manager.bundles().size === 30);
  t.is(bench.mostUnderWay, identityLimits.concurrentRequests);
});

test("new roots reach every identity, and a leaf they do not cover is replaced", async (t) => {
  const bench = await Bench.create(t);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  const old = await eventually("the certificate", () => manager.bundles().get(catalog));
  bench.authority = await openTestAuthority(await temporaryDirectory(t), new FakeClock());
  manager.setWanted(new Set([catalog, reviews]));
  const renewed = await eventually("the replacement", () => {
    const bundle = manager.bundles().get(catalog);
    return bundle?.chainPem === old.chainPem ? undefined : bundle;
  });
  t.is(renewed.rootsPem, bench.authority.rootsPem);
});

test("roots that the controller names are in force for every identity at once, and on disk", async (t) => {
  const bench = await Bench.create(t);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog, reviews]));
  await eventually("both certificates", () => manager.bundles().size === 2);
  const other = await openTestAuthority(await temporaryDirectory(t), bench.clock);
  const both = `${bench.authority.rootsPem}${other.rootsPem}`;
  manager.setRoots(both, bench.authority.issuer);
  for (const identity of [catalog, reviews]) t.is(manager.bundles().get(identity)?.rootsPem, both);
  t.is(manager.formerIssuerCount, 0);
  t.is(bench.requests, 2, "nothing is renewed for it");
  await manager.close();
  t.deepEqual(new Set((await bench.store.load()).map(({ rootsPem }) => rootsPem)), new Set([both]));
});

test("certificates of a former issuer are renewed soon, not at once, and serve until then", async (t) => {
  const bench = await Bench.create(t);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  const old = await eventually("the certificate", () => manager.bundles().get(catalog));
  const former = bench.authority;
  bench.authority = await openTestAuthority(await temporaryDirectory(t), bench.clock);
  const both = `${bench.authority.rootsPem}${former.rootsPem}`;
  manager.setRoots(both, bench.authority.issuer);
  t.is(manager.formerIssuerCount, 1);
  t.is(manager.bundles().get(catalog)?.chainPem, old.chainPem);
  bench.clock.advance(identityLimits.reissueDelayMs - 1);
  t.is(bench.requests, 1);
  bench.clock.advance(identityLimits.reissueSpreadMs);
  await eventually("the successor", () => manager.formerIssuerCount === 0);
  t.not(manager.bundles().get(catalog)?.chainPem, old.chainPem);
  manager.setRoots(bench.authority.rootsPem, bench.authority.issuer);
  t.is(manager.formerIssuerCount, 0);
  t.is(bench.requests, 2);
});

test("roots that cannot be used change nothing", async (t) => {
  const bench = await Bench.create(t);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  const bundle = await eventually("the certificate", () => manager.bundles().get(catalog));
  const torn = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  for (const roots of ["", "nothing", torn, bundle.rootsPem.repeat(200)]) {
    t.throws(() => manager.setRoots(roots, "issuer"), { instanceOf: CertificateError });
  }
  t.is(manager.bundles().get(catalog), bundle);
});

test("a disk that cannot be used costs only the persistence", async (t) => {
  const bench = await Bench.create(t);
  const failing = (): Promise<never> => Promise.reject(new Error("ENOSPC: no space left on device"));
  const manager = await bench.manager(t, { load: failing, save: failing, remove: failing });
  manager.setWanted(new Set([catalog]));
  await eventually("the certificate", () => manager.bundles().get(catalog));
  await eventually(
    "the failure is counted",
    () => bench.events.filter((event) => event === "store-failed").length === 2,
  );
  t.regex(bench.log.text, /ENOSPC/);
});

test("unusable files are removed and asked for anew", async (t) => {
  const bench = await Bench.create(t);
  const first = await bench.manager(t);
  first.setWanted(new Set([catalog, reviews]));
  await eventually("both certificates", () => first.bundles().size === 2);
  await first.close();
  const [one, two] = (await readdir(bench.directory)).map((name) => join(bench.directory, name));
  await writeFile(one ?? "", "cut of");
  const parts = JSON.parse(await readFile(two ?? "", "utf8")) as object;
  await writeFile(two ?? "", JSON.stringify({ ...parts, identity: "spiffe://cluster.local/ns/shop/sa/other" }));
  const second = await bench.manager(t);
  t.deepEqual(await readdir(bench.directory), []);
  second.setWanted(new Set([catalog, reviews]));
  await eventually("both certificates again", () => second.bundles().size === 2);
  t.is(bench.requests, 4);
});

test("a certificate for another key, of another identity or from the past is not used", async (t) => {
  const bench = await Bench.create(t);
  const honest = bench.authority;
  const other = await openTestAuthority(await temporaryDirectory(t), new FakeClock());
  const answers: Record<string, (identity: string, key: never) => Promise<SignedCertificate>> = {
    "another identity": async (_identity, key) => ({
      chain: (await honest.issueWorkload(reviews, key, HOUR_MS)).chainPem,
      roots: honest.rootsPem,
    }),
    "another root": async (identity, key) => ({
      chain: (await honest.issueWorkload(identity, key, HOUR_MS)).chainPem,
      roots: other.rootsPem,
    }),
    "no root": async (identity, key) => ({
      chain: (await honest.issueWorkload(identity, key, HOUR_MS)).chainPem,
      roots: "",
    }),
    nothing: () => Promise.resolve({ chain: "", roots: "" }),
  };
  for (const [what, answer] of Object.entries(answers)) {
    const manager = new CertificateManager({
      createRequest: createCertificateRequest,
      sign: async (csrPem) => {
        const { identity, publicKey } = await checkCertificateRequest(csrPem);
        return answer(identity, publicKey as never);
      },
      store: bench.store,
      clock: bench.clock,
      random: () => 0.5,
      log: bench.log,
      count: (event) => bench.events.push(`${what}: ${event}`),
    });
    await manager.start();
    manager.setWanted(new Set([catalog]));
    await eventually(`${what} is refused`, () => bench.events.includes(`${what}: request-failed`));
    t.is(manager.bundles().size, 0, what);
    await manager.close();
  }
});

test("a node whose clock is a day ahead says so and does not ask in a storm", async (t) => {
  const bench = await Bench.create(t);
  bench.clock.advance(25 * HOUR_MS);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  await eventually("the failure", () => bench.events.includes("request-failed"));
  t.regex(bench.log.text, /check this node's clock/);
  t.is(manager.bundles().size, 0);
  t.is(bench.requests, 1);
});

test("a clock that was days ahead and is set right does not keep a pod without a certificate", async (t) => {
  const bench = await Bench.create(t);
  bench.clock.setWallClock(48 * HOUR_MS);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  await eventually("the certificate to be refused", () => bench.events.includes("request-failed"));
  bench.clock.setWallClock(-48 * HOUR_MS);
  t.deepEqual(manager.missing(), [catalog]);
  bench.clock.advance(2 * identityLimits.retryMaxMs);
  await eventually("a certificate", () => manager.bundles().has(catalog));
  t.deepEqual(manager.missing(), []);
});

test("a certificate that came while the clock was ahead is renewed in time once the clock is right", async (t) => {
  const bench = await Bench.create(t);
  bench.clock.setWallClock(23.5 * HOUR_MS);
  const manager = await bench.manager(t);
  manager.setWanted(new Set([catalog]));
  await eventually("a certificate", () => manager.bundles().has(catalog));
  bench.clock.setWallClock(-23.5 * HOUR_MS);
  bench.clock.advance(12 * HOUR_MS);
  t.is(bench.requests, 1);
  t.true(manager.bundles().has(catalog));
  bench.clock.advance(2 * HOUR_MS);
  await eventually("its renewal", () => bench.requests === 2);
  t.pass();
});
