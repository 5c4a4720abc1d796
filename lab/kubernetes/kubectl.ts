/** Runs kubectl as the lab's admin, from inside the lab. */
import { HawserError } from "../../core/errors.ts";
import { runCommand } from "../../core/run-command.ts";

export interface KubectlSettings {
  readonly program: string;
  readonly kubeconfig: string;
  /** kubectl keeps what it discovers below its home directory. */
  readonly home: string;
}

/** An apply of all manifests asks a server that has just started for its schemas. */
const TIMEOUT_MS = 60_000;

export function kubectlCommand({ program, kubeconfig, home }: KubectlSettings): readonly string[] {
  return ["env", `HOME=${home}`, `KUBECONFIG=${kubeconfig}`, program];
}

/** Resolves with what it printed; rejects with what it complained about. */
export async function runKubectl(settings: KubectlSettings, args: readonly string[], input?: string): Promise<string> {
  const options = { timeoutMs: TIMEOUT_MS, ...(input === undefined ? {} : { input }) };
  const result = await runCommand([...kubectlCommand(settings), ...args], options);
  if (result.exitCode === 0) return result.stdout;
  throw new HawserError("kubectl-failed", `kubectl ${args.join(" ")}: ${result.stderr.trim()}`);
}
