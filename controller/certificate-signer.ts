/**
 * A node's request -> a certificate, or a reason why not. The only way from the channel to the CA key.
 */
import { describeError, HawserError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { checkCertificateRequest } from "./certificate-request.ts";
import type { IdentityPlacement } from "./identity-placement.ts";

export interface CertificateSignerOptions {
  readonly authority: Pick<CertificateAuthority, "issueWorkload" | "rootsPem">;
  /** Of the table in force; undefined before there is one. */
  readonly placement: () => IdentityPlacement | undefined;
  readonly lifetimeMs: number;
  readonly log: Log;
  readonly count?: (result: "issued" | "refused") => void;
}

export class SigningRefusedError extends HawserError<"no-table" | "not-placed"> {}

export interface SignedAnswer {
  readonly chain: string;
  readonly roots: string;
}

export class CertificateSigner {
  readonly #options: CertificateSignerOptions;

  constructor(options: CertificateSignerOptions) {
    this.#options = options;
  }

  /** `node` is what the token proved. Rejects with RequestError or SigningRefusedError; refusals are logged here. */
  async sign(node: string, csrPem: string): Promise<SignedAnswer> {
    const { authority, lifetimeMs, log, count } = this.#options;
    try {
      const { identity, publicKey } = await checkCertificateRequest(csrPem);
      this.#checkPlacement(identity, node);
      const { chainPem, serialNumber, notAfter } = await authority.issueWorkload(identity, publicKey, lifetimeMs);
      count?.("issued");
      log.info({ node, identity, serialNumber, notAfter: notAfter.toISOString() }, "Certificate issued");
      return { chain: chainPem, roots: authority.rootsPem };
    } catch (error) {
      count?.("refused");
      log.warn({ node, reason: describeError(error) }, "Certificate request refused");
      throw error;
    }
  }

  #checkPlacement(identity: string, node: string): void {
    const placement = this.#options.placement();
    if (placement === undefined) throw new SigningRefusedError("no-table", "There is no table yet");
    if (!placement.isPlaced(identity, node)) {
      throw new SigningRefusedError("not-placed", `No pod with identity ${identity} is on node ${node}`);
    }
  }
}
