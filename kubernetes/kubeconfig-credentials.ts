/**
 * The credentials of a kubeconfig file, by the official client: it knows certificates, tokens, credential plugins, OIDC
 * and proxies. This file is loaded only when there is one, by `import()`: the client takes 30 MB of memory.
 */
import type { RequestOptions } from "node:https";
// Not the package's own entry: that one holds the models of all of Kubernetes, 18 MB of text.
import { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import type { Clock } from "../core/clock.ts";
import { HawserError } from "../core/errors.ts";
import type { Credentials, CredentialSource } from "./credentials.ts";
import { timers } from "./limits.ts";

export interface KubeconfigOptions {
  /** The first of them names the context, as with kubectl. */
  readonly files: readonly string[];
  /** Other than the file's current one. */
  readonly context?: string;
  readonly clock: Clock;
}

export class KubeconfigCredentials implements CredentialSource {
  readonly server: URL;
  readonly #options: KubeconfigOptions;
  #config: KubeConfig | undefined;
  #last: Credentials | undefined;
  #readMs = 0;

  /** Throws HawserError when a file cannot be read or names no cluster. */
  constructor(options: KubeconfigOptions) {
    this.#options = options;
    this.#config = loadConfig(options);
    this.server = serverOf(options, this.#config);
  }

  async current(): Promise<Credentials> {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#last !== undefined && nowMs - this.#readMs < timers.credentialsMs) return this.#last;
    this.#config ??= loadConfig(this.#options);
    this.#last = await credentialsOf(this.#config, this.#options.clock);
    this.#readMs = nowMs;
    return this.#last;
  }

  /** The client keeps what a credential plugin gave until the end of its time: only a new one asks the plugin again. */
  forget(): void {
    this.#last = undefined;
    this.#config = undefined;
  }
}

function loadConfig({ files, context }: KubeconfigOptions): KubeConfig {
  const config = new KubeConfig();
  try {
    for (const [index, file] of files.entries()) {
      const part = index === 0 ? config : new KubeConfig();
      part.loadFromFile(file);
      if (index > 0) config.mergeConfig(part, true);
    }
  } catch (cause) {
    throw new HawserError("kubeconfig-invalid", `Cannot use the kubeconfig ${files.join(", ")}`, { cause });
  }
  if (context !== undefined) config.setCurrentContext(context);
  return config;
}

function serverOf({ files, context }: KubeconfigOptions, config: KubeConfig): URL {
  const server = config.getCurrentCluster()?.server;
  if (server !== undefined && URL.canParse(server)) return new URL(server);
  const which = context === undefined ? "its current-context" : `context ${context}`;
  const message = `The kubeconfig ${files.join(", ")} names no API server, check ${which} and that context's cluster`;
  throw new HawserError("kubeconfig-invalid", message);
}

async function credentialsOf(config: KubeConfig, clock: Clock): Promise<Credentials> {
  const options: RequestOptions = { headers: {} };
  try {
    await withinTime(config.applyToHTTPSOptions(options), clock);
  } catch (cause) {
    const message = "Cannot get credentials out of the kubeconfig, check its user and the credential plugin it names";
    throw new HawserError("kube-credentials-missing", message, { cause });
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value).trim();
  if (typeof options.auth === "string") headers["authorization"] = basic(options.auth);
  const isProxied = typeof config.getCurrentCluster()?.proxyUrl === "string";
  const agent = isProxied && typeof options.agent === "object" ? { agent: options.agent } : {};
  return { tls: tlsOf(options), headers, ...agent };
}

function tlsOf({ ca, cert, key, passphrase, servername, rejectUnauthorized }: RequestOptions): Credentials["tls"] {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
}

function basic(userAndPassword: string): string {
  return `Basic ${Buffer.from(userAndPassword).toString("base64")}`;
}

async function withinTime(work: Promise<void>, clock: Clock): Promise<void> {
  const { promise, reject } = Promise.withResolvers<void>();
  const seconds = timers.credentialPluginMs / 1_000;
  const timer = clock.after(timers.credentialPluginMs, () =>
    reject(new HawserError("kube-credentials-missing", `The credential plugin said nothing for ${seconds} s`)),
  );
  try {
    await Promise.race([work, promise]);
  } finally {
    timer.cancel();
  }
}
