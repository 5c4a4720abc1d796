/**
 * The credentials of a pod's ServiceAccount, as kubelet mounts them: token and CA are read again now and then, because
 * tokens rotate (after an hour, usually) and so may the cluster's CA.
 *
 * Not by the official client, which takes 30 MB of memory for what are two files here.
 */
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { HawserError } from "../core/errors.ts";
import type { Credentials, CredentialSource } from "./credentials.ts";
import { timers } from "./limits.ts";

/** Where kubelet mounts them ("Accessing the Kubernetes API from a Pod"). */
export const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

export interface InClusterOptions {
  /** KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
  readonly host: string;
  readonly port: string;
  readonly directory: string;
  readonly clock: Clock;
}

export class InClusterCredentials implements CredentialSource {
  readonly server: URL;
  readonly #directory: string;
  readonly #clock: Clock;
  #last: Credentials | undefined;
  #readMs = 0;

  constructor({ host, port, directory, clock }: InClusterOptions) {
    this.server = new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`);
    this.#directory = directory;
    this.#clock = clock;
  }

  async current(): Promise<Credentials> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#last !== undefined && nowMs - this.#readMs < timers.credentialsMs) return this.#last;
    const [token, ca] = await Promise.all([this.#read("token"), this.#read("ca.crt")]);
    this.#last = { tls: { ca }, headers: { authorization: `Bearer ${token.trim()}` } };
    this.#readMs = nowMs;
    return this.#last;
  }

  forget(): void {
    this.#last = undefined;
  }

  async #read(name: string): Promise<string> {
    const path = join(this.#directory, name);
    try {
      return await readFile(path, "utf8");
    } catch (cause) {
      const message = `Cannot read ${path}, is the ServiceAccount's token mounted into the pod`;
      throw new HawserError("kube-credentials-missing", message, { cause });
    }
  }
}
