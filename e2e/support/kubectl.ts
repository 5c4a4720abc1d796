/** kubectl on a lab's API server, as an administrator would use it. */
import type { Lab } from "../../lab/lab-client.ts";

const TIMEOUT_MS = 60_000;

/** Resolves with what it printed; rejects with what it complained about. */
export async function kubectl(lab: Lab, args: readonly string[], input?: string): Promise<string> {
  const options = { timeoutMs: TIMEOUT_MS, ...(input === undefined ? {} : { input }) };
  const result = await lab.kubectl(args, options);
  if (result.exitCode === 0) return result.stdout;
  throw new Error(`kubectl ${args.join(" ")}: ${result.stderr.trim() || result.stdout.trim()}`);
}

/** `what`: `configmap/hawser`. */
export async function kubeObject<T>(lab: Lab, namespace: string, what: string): Promise<T> {
  return JSON.parse(await kubectl(lab, ["--namespace", namespace, "get", what, "--output", "json"])) as T;
}

/** Resolves when a rollout of the DaemonSet or Deployment has come to its end. `what`: `daemonset/hawser-agent`. */
export async function rolledOut(lab: Lab, namespace: string, what: string): Promise<void> {
  await kubectl(lab, ["--namespace", namespace, "rollout", "status", what, "--timeout", `${TIMEOUT_MS / 1000 - 5}s`]);
}

/** A merge patch of one object. */
export async function mergePatch(lab: Lab, namespace: string, what: string, patch: object): Promise<void> {
  await kubectl(lab, ["--namespace", namespace, "patch", what, "--type", "merge", "--patch", JSON.stringify(patch)]);
}
