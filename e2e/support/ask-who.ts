/** Asks a `who` server from inside a pod or node, with nothing but bash. */
import { HawserError } from "../../core/errors.ts";
import type { Lab } from "../../lab/lab-client.ts";

export interface WhoAnswer {
  readonly server: string;
  readonly client: string;
  readonly clientPort: number;
}

/** Rejects when nothing was answered within 3 s. */
export async function askWho(lab: Lab, from: string, host: string, port: number): Promise<WhoAnswer> {
  const script = 'exec 3<>"/dev/tcp/$0/$1" && cat <&3';
  const result = await lab.exec(from, ["timeout", "3", "bash", "-c", script, host, `${port}`]);
  if (result.exitCode === 0 && result.stdout !== "") return JSON.parse(result.stdout) as WhoAnswer;
  throw new HawserError("no-answer", `${from} got no answer from ${host} port ${port}: ${result.stderr.trim()}`);
}
