/**
 * The controller's own server certificate: a key that lives in memory only, signed by the authority, made anew long before
 * it expires.
 */
import { generateKeyPairSync, webcrypto } from "node:crypto";
import type { Clock, Timer } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import type { ServerCertificate } from "./channel-server.ts";
import { timers } from "./limits.ts";

export interface ServerIdentityOptions {
  readonly authority: Pick<CertificateAuthority, "issueServer">;
  /** DNS names and IP addresses under which agents dial. */
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

export class ServerIdentity {
  readonly #options: ServerIdentityOptions;
  #timer: Timer | undefined;
  #renewAtMs = 0;
  #onRenewed: (certificate: ServerCertificate) => void = () => {};

  constructor(options: ServerIdentityOptions) {
    this.#options = options;
  }

  async issue(): Promise<ServerCertificate> {
    const { authority, names, clock } = this.#options;
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const spki = pair.publicKey.export({ format: "der", type: "spki" });
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const publicKey = await webcrypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]);
    const { chainPem, notAfter } = await authority.issueServer(names, publicKey, timers.serverCertificateMs);
    this.#renewAtMs = clock.nowMs() + (notAfter.getTime() - clock.nowMs()) / 2;
    return { keyPem: pair.privateKey.export({ format: "pem", type: "pkcs8" }), chainPem };
  }

  /** Calls back with a new certificate at half life, and whenever `renew` is called. */
  watch(onRenewed: (certificate: ServerCertificate) => void): void {
    const { clock } = this.#options;
    this.#onRenewed = onRenewed;
    this.#timer = clock.every(timers.serverCertificateCheckMs, () => {
      if (clock.nowMs() >= this.#renewAtMs) void this.renew();
    });
  }

  /** The authority has changed, or it is time. Never rejects: the certificate that there is serves on. */
  async renew(): Promise<void> {
    try {
      this.#onRenewed(await this.issue());
    } catch (error) {
      this.#options.log.error({ error: describeError(error) }, "Cannot renew the controller's own certificate");
    }
  }

  close(): void {
    this.#timer?.cancel();
  }
}
