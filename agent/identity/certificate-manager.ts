/**
 * Keeps a valid certificate for every identity that has a pod on this node.
 *
 *   wanted --> requesting --> held --(half life)--> requesting ...
 *                  |                                    |
 *                  +--(refused, unreachable: backoff)---+     the old certificate serves until it expires
 *
 *   another certificate signs now: those of its predecessor are requested anew, soon and not all at once
 *   unwanted: leaves `bundles()` at once, is forgotten (memory and disk) five minutes later
 *
 * Invariants: a key is made here and goes nowhere but `store`; a bundle that is handed out holds together (leaf, key,
 * identity, roots); a failing disk costs only the persistence.
 */
import { backoffMs } from "../../core/backoff.ts";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import {
  assembleBundle,
  CertificateError,
  checkRoots,
  isIssuedBy,
  isTrusted,
  type CertificateBundle,
} from "./certificate-bundle.ts";
import type { CertificateRequest } from "./certificate-request.ts";
import type { CertificateStore } from "./certificate-store.ts";
import { identityLimits as limits } from "./limits.ts";
import { latestDueMs, leastRenewalMs, lifeLeft, renewalMs } from "./renewal-time.ts";

export interface SignedCertificate {
  /** PEM: the leaf, then intermediates. */
  readonly chain: string;
  /** PEM: every root to trust. */
  readonly roots: string;
}

/** For metrics. */
export type CertificateEvent = "issued" | "request-failed" | "store-failed" | "limit-identities";

export interface CertificateManagerOptions {
  /** A fresh key and a request for it. */
  readonly createRequest: (identity: string) => Promise<CertificateRequest>;
  /** Has a request signed; rejects when there is no channel, the controller refuses, or no answer comes. */
  readonly sign: (csrPem: string) => Promise<SignedCertificate>;
  readonly store: Pick<CertificateStore, "load" | "save" | "remove">;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly count?: (event: CertificateEvent) => void;
}

/** Undefined: the identity has no certificate any more. */
export type CertificateListener = (identity: string, bundle: CertificateBundle | undefined) => void;

interface Entry {
  readonly identity: string;
  bundle: CertificateBundle | undefined;
  wanted: boolean;
  /** Monotonic, both. */
  wantedSinceMs: number;
  unwantedAtMs: number;
  /** Wall clock, as certificates are: when to request (again). */
  dueAtMs: number;
  attempt: number;
  requesting: boolean;
  /** The bundle is of another issuer than the one that signs now. */
  former: boolean;
}

export class CertificateManager {
  readonly #options: CertificateManagerOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #bundles = new Map<string, CertificateBundle>();
  readonly #listeners = new Set<CertificateListener>();
  /** Requests and writes that `close` waits for. */
  readonly #background = new Set<Promise<void>>();
  #requestsUnderWay = 0;
  /** SHA-256 of the certificate that signs now, as far as the controller has said. */
  #issuer: string | undefined;
  #timer: Timer | undefined;
  #state: "new" | "started" | "closed" = "new";

  constructor(options: CertificateManagerOptions) {
    this.#options = options;
  }

  /** Reads what an earlier process left on disk. Never rejects: without a disk every certificate is requested anew. */
  async start(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    try {
      for (const bundle of await this.#options.store.load()) {
        if (bundle.notAfterMs > nowMs) this.#adoptStored(bundle, nowMs);
      }
    } catch (error) {
      this.#storeFailed("Cannot read the stored certificates", error);
    }
    if (this.#state === "new") this.#state = "started";
    this.#run();
  }

  /** The identities with a pod on this node: what is missing is requested, what is no longer wanted is given up. */
  setWanted(identities: ReadonlySet<string>): void {
    const nowMs = this.#options.clock.nowMs();
    for (const entry of this.#entries.values()) {
      if (entry.wanted && !identities.has(entry.identity)) this.#giveUp(entry);
    }
    for (const identity of identities) this.#want(identity, nowMs);
    this.#run();
  }

  /** What is in force now: wanted, and not expired when last looked at. The map is live. */
  bundles(): ReadonlyMap<string, CertificateBundle> {
    return this.#bundles;
  }

  /** Identities that have been wanted for so long, and have no certificate. */
  missing(forMs = 0): string[] {
    const latestMs = this.#options.clock.monotonicMs() - forMs;
    const wanted = [...this.#entries.values()].filter((entry) => entry.wanted && entry.wantedSinceMs <= latestMs);
    return wanted.filter((entry) => !this.#bundles.has(entry.identity)).map((entry) => entry.identity);
  }

  /** Certificates in force of another issuer than the one that signs now: its root must stay trusted for them. */
  get formerIssuerCount(): number {
    return [...this.#entries.values()].filter((entry) => entry.former && this.#bundles.has(entry.identity)).length;
  }

  /**
   * What to trust from now on, for all identities at once, and which certificate signs now (SHA-256, lower-case hex).
   * Throws CertificateError when the roots cannot be used: what is in force stays.
   */
  setRoots(rootsPem: string, issuer: string): void {
    checkRoots(rootsPem);
    const nowMs = this.#options.clock.nowMs();
    this.#issuer = issuer;
    const changed = this.#spreadRoots(rootsPem, nowMs);
    for (const entry of this.#entries.values()) this.#checkIssuer(entry, nowMs);
    if (changed.length > 0) {
      this.#options.log.info({ identities: changed.length }, "Roots have changed and are in force");
      this.#track(this.#saveAll(changed));
    }
    this.#run();
  }

  /** Returns a function that ends the subscription. */
  onChange(listener: CertificateListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The channel to a controller has just opened: whatever waits in backoff is tried at once. */
  retryNow(): void {
    for (const entry of this.#entries.values()) {
      if (entry.attempt === 0) continue;
      entry.attempt = 0;
      entry.dueAtMs = this.#options.clock.nowMs();
    }
    this.#run();
  }

  /** Stops requesting; waits for the files that are being written. */
  async close(): Promise<void> {
    this.#state = "closed";
    this.#timer?.cancel();
    await Promise.allSettled(this.#background);
  }

  #adoptStored(bundle: CertificateBundle, nowMs: number): void {
    const entry = this.#entries.get(bundle.identity) ?? this.#addEntry(bundle.identity, false, nowMs);
    // Requested already, while the disk was read: the fresher one stays.
    if (entry?.bundle !== undefined || entry === undefined) return;
    entry.bundle = bundle;
    entry.dueAtMs = this.#renewalMs(bundle);
    if (entry.wanted) this.#publish(entry);
  }

  #want(identity: string, nowMs: number): void {
    const entry = this.#entries.get(identity) ?? this.#addEntry(identity, true, nowMs);
    if (entry === undefined) return;
    if (!entry.wanted && entry.bundle === undefined) entry.dueAtMs = nowMs;
    if (!entry.wanted) entry.wantedSinceMs = this.#options.clock.monotonicMs();
    entry.wanted = true;
    if (entry.bundle !== undefined && entry.bundle.notAfterMs > nowMs && !this.#bundles.has(identity)) {
      this.#publish(entry);
    }
  }

  #addEntry(identity: string, wanted: boolean, nowMs: number): Entry | undefined {
    if (this.#entries.size >= limits.identities && !this.#forgetOneUnwanted()) {
      this.#options.count?.("limit-identities");
      this.#options.log.error(
        { identity, limit: limits.identities },
        "Too many identities on this node, one is not served",
      );
      return undefined;
    }
    const sinceMs = this.#options.clock.monotonicMs();
    const entry = {
      identity,
      bundle: undefined,
      wanted,
      wantedSinceMs: sinceMs,
      unwantedAtMs: sinceMs,
      dueAtMs: nowMs,
      attempt: 0,
      requesting: false,
      former: false,
    };
    this.#entries.set(identity, entry);
    return entry;
  }

  #giveUp(entry: Entry): void {
    entry.wanted = false;
    entry.unwantedAtMs = this.#options.clock.monotonicMs();
    entry.attempt = 0;
    if (this.#bundles.delete(entry.identity)) this.#notify(entry.identity, undefined);
  }

  /** The heart: forgets, expires, requests what is due, and sleeps until the next moment that matters. */
  #run(): void {
    if (this.#state !== "started") return;
    const nowMs = this.#options.clock.nowMs();
    const forgottenMs = this.#options.clock.monotonicMs() - limits.unwantedMs;
    for (const entry of this.#entries.values()) {
      entry.dueAtMs = Math.min(entry.dueAtMs, latestDueMs(entry, nowMs));
      if (!entry.wanted && entry.unwantedAtMs <= forgottenMs) this.#forget(entry);
      else if (entry.bundle !== undefined && entry.bundle.notAfterMs <= nowMs) this.#expire(entry);
    }
    for (const entry of this.#entries.values()) {
      if (this.#requestsUnderWay >= limits.concurrentRequests) break;
      if (entry.wanted && !entry.requesting && entry.dueAtMs <= nowMs) this.#startRequest(entry);
    }
    this.#sleep(nowMs);
  }

  #sleep(nowMs: number): void {
    let wakeAtMs = nowMs + limits.scheduleCheckMs;
    for (const entry of this.#entries.values()) {
      // One that is due but found no free place is woken by the end of a request.
      if (entry.wanted && !entry.requesting && entry.dueAtMs > nowMs) wakeAtMs = Math.min(wakeAtMs, entry.dueAtMs);
      if (entry.bundle !== undefined) wakeAtMs = Math.min(wakeAtMs, entry.bundle.notAfterMs);
    }
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(Math.max(1, wakeAtMs - nowMs), () => this.#run());
  }

  #startRequest(entry: Entry): void {
    entry.requesting = true;
    this.#requestsUnderWay += 1;
    const done = this.#request(entry).finally(() => {
      entry.requesting = false;
      this.#requestsUnderWay -= 1;
      this.#run();
    });
    this.#track(done);
  }

  async #request(entry: Entry): Promise<void> {
    const { identity } = entry;
    let changed: readonly CertificateBundle[];
    try {
      const { keyPem, csrPem } = await this.#options.createRequest(identity);
      const { chain, roots } = await this.#options.sign(csrPem);
      if (this.#state === "closed") return;
      changed = this.#hold(entry, assembleBundle({ identity, keyPem, chainPem: chain, rootsPem: roots }));
    } catch (error) {
      this.#requestFailed(entry, error);
      return;
    }
    await this.#saveAll(changed);
    // Given up and forgotten meanwhile: its key must not stay behind on disk.
    if (this.#entries.get(identity) !== entry) await this.#remove(identity);
  }

  /** Returns every bundle that is different now. */
  #hold(entry: Entry, bundle: CertificateBundle): readonly CertificateBundle[] {
    const { clock, count, log } = this.#options;
    const nowMs = clock.nowMs();
    const facts = { identity: entry.identity, ...validity(bundle), nodeTime: new Date(nowMs).toISOString() };
    if (bundle.notAfterMs <= nowMs) {
      throw new CertificateError(
        "expired-on-arrival",
        `Certificate ended at ${facts.notAfter}, check this node's clock`,
      );
    }
    if (bundle.notBeforeMs > nowMs) log.error(facts, "New certificate is not valid yet, check this node's clock");
    else log.info(facts, "Certificate issued");
    entry.bundle = bundle;
    entry.attempt = 0;
    entry.dueAtMs = Math.max(this.#renewalMs(bundle), leastRenewalMs(bundle, nowMs));
    this.#checkIssuer(entry, nowMs);
    count?.("issued");
    if (entry.wanted) this.#publish(entry);
    return [bundle, ...this.#spreadRoots(bundle.rootsPem, nowMs)];
  }

  /** The newest roots are what the controller trusts now: during a rotation every identity must accept both at once. */
  #spreadRoots(rootsPem: string, nowMs: number): CertificateBundle[] {
    const changed: CertificateBundle[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.bundle === undefined || entry.bundle.rootsPem === rootsPem) continue;
      entry.bundle = { ...entry.bundle, rootsPem };
      if (!isTrusted(entry.bundle)) entry.dueAtMs = nowMs;
      if (this.#bundles.has(entry.identity)) this.#publish(entry);
      changed.push(entry.bundle);
    }
    return changed;
  }

  #checkIssuer(entry: Entry, nowMs: number): void {
    entry.former = entry.bundle !== undefined && this.#issuer !== undefined && !isIssuedBy(entry.bundle, this.#issuer);
    if (!entry.former) return;
    const reissueAtMs = nowMs + limits.reissueDelayMs + this.#options.random() * limits.reissueSpreadMs;
    entry.dueAtMs = Math.min(entry.dueAtMs, reissueAtMs);
  }

  #requestFailed(entry: Entry, error: unknown): void {
    const { clock, random, log, count } = this.#options;
    if (this.#state === "closed") return;
    const waitMs = backoffMs({ baseMs: limits.retryBaseMs, maxMs: limits.retryMaxMs }, entry.attempt, random);
    entry.attempt += 1;
    entry.dueAtMs = clock.nowMs() + waitMs;
    count?.("request-failed");
    const facts = { identity: entry.identity, error: describeError(error), retryInMs: Math.round(waitMs) };
    const { bundle } = entry;
    if (bundle === undefined) log.warn(facts, "Certificate request failed, the identity has no certificate yet");
    else if (lifeLeft(bundle, clock.nowMs()) > limits.loudShare) log.warn(facts, "Certificate renewal failed");
    else
      log.error({ ...facts, ...validity(bundle) }, "Certificate renewal keeps failing, the certificate expires soon");
  }

  #expire(entry: Entry): void {
    if (entry.bundle !== undefined && entry.wanted) {
      const facts = { identity: entry.identity, ...validity(entry.bundle) };
      this.#options.log.error(facts, "Certificate expired before it could be renewed, its pods have no tunnels now");
    }
    entry.bundle = undefined;
    if (this.#bundles.delete(entry.identity)) this.#notify(entry.identity, undefined);
  }

  #publish(entry: Entry): void {
    if (entry.bundle === undefined) return;
    this.#bundles.set(entry.identity, entry.bundle);
    this.#notify(entry.identity, entry.bundle);
  }

  #notify(identity: string, bundle: CertificateBundle | undefined): void {
    for (const listener of this.#listeners) listener(identity, bundle);
  }

  #forgetOneUnwanted(): boolean {
    const unwanted = [...this.#entries.values()].find((entry) => !entry.wanted);
    if (unwanted !== undefined) this.#forget(unwanted);
    return unwanted !== undefined;
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.identity);
    this.#track(this.#remove(entry.identity));
  }

  #track(done: Promise<void>): void {
    this.#background.add(done);
    void done.finally(() => this.#background.delete(done));
  }

  async #remove(identity: string): Promise<void> {
    try {
      await this.#options.store.remove(identity);
    } catch (error) {
      this.#storeFailed("Cannot remove a key from the disk", error);
    }
  }

  async #saveAll(bundles: readonly CertificateBundle[]): Promise<void> {
    for (const bundle of bundles) await this.#save(bundle);
  }

  async #save(bundle: CertificateBundle): Promise<void> {
    try {
      await this.#options.store.save(bundle);
    } catch (error) {
      this.#storeFailed("Cannot store a certificate, a restarted agent will have to ask for another", error);
    }
  }

  #storeFailed(message: string, error: unknown): void {
    this.#options.count?.("store-failed");
    this.#options.log.error({ error: describeError(error) }, message);
  }

  #renewalMs(bundle: CertificateBundle): number {
    return renewalMs(bundle, this.#options.random() * 2 - 1);
  }
}

function validity(bundle: CertificateBundle): { notBefore: string; notAfter: string } {
  return { notBefore: new Date(bundle.notBeforeMs).toISOString(), notAfter: new Date(bundle.notAfterMs).toISOString() };
}
