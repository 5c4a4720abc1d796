/**
 * A client for the API server that the surroundings name, in this order: the kubeconfig that is given, KUBECONFIG, the
 * pod's own ServiceAccount, ~/.kube/config. For the controller, the CLI and the lab.
 */
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { type Clock, systemClock } from "../core/clock.ts";
import { HawserError } from "../core/errors.ts";
import type { CredentialSource } from "./credentials.ts";
import { HttpKubeClient } from "./http-kube-client.ts";
import { InClusterCredentials, SERVICE_ACCOUNT_DIRECTORY } from "./in-cluster-credentials.ts";
import type { KubeMetrics } from "./kube-metrics.ts";

export interface OpenKubeClientOptions {
  /** A file, or several as in KUBECONFIG. */
  readonly kubeconfig?: string | undefined;
  /** Of the kubeconfig, other than its current one. */
  readonly context?: string | undefined;
  /** `process.env` of whoever has a right to read it: KUBECONFIG, KUBERNETES_SERVICE_HOST and _PORT, HOME. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly metrics?: KubeMetrics;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** Rejects with HawserError when nothing names an API server. Nothing is asked of the server yet. */
export async function openKubeClient(options: OpenKubeClientOptions): Promise<HttpKubeClient> {
  const { clock = systemClock, random = Math.random, metrics = {} } = options;
  const credentials = await openKubeCredentials(options);
  return new HttpKubeClient({ credentials, metrics, clock, random });
}

/** For whoever speaks to the API server in other ways than requests. Rejects likewise. */
export async function openKubeCredentials(options: OpenKubeClientOptions): Promise<CredentialSource> {
  const { environment, context, clock = systemClock } = options;
  const open = async (paths: string): Promise<CredentialSource> => {
    const { KubeconfigCredentials } = await import("./kubeconfig-credentials.ts");
    const files = paths.split(delimiter).filter((path) => path !== "");
    return new KubeconfigCredentials({ files, clock, ...(context === undefined ? {} : { context }) });
  };
  const named = options.kubeconfig ?? environment["KUBECONFIG"];
  if (named !== undefined && named !== "") return await open(named);
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, HOME: home } = environment;
  if (host !== undefined && port !== undefined) {
    return new InClusterCredentials({ host, port, directory: SERVICE_ACCOUNT_DIRECTORY, clock });
  }
  const own = home === undefined ? undefined : join(home, ".kube", "config");
  if (own !== undefined && (await isThere(own))) return await open(own);
  const message = "No API server is known: give a kubeconfig (--kubeconfig or KUBECONFIG), or run in a pod";
  throw new HawserError("kube-credentials-missing", message);
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
