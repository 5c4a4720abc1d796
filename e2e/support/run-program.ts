/** Runs one of e2e/pods/ inside a pod, with the Node that runs this, and reads the JSON it prints. */
import path from "node:path";
import type { Lab } from "../../lab/lab-client.ts";

const PROGRAMS = path.resolve(import.meta.dirname, "../pods");

export function programCommand(program: string, args: readonly string[]): readonly string[] {
  return [process.execPath, path.join(PROGRAMS, program), ...args];
}

/** Rejects with what the program complained about when it fails. `timeoutMs` default 60 s. */
export async function runProgram<T>(
  lab: Lab,
  podName: string,
  program: string,
  args: readonly string[],
  timeoutMs = 60_000,
): Promise<T> {
  const result = await lab.exec(podName, programCommand(program, args), { timeoutMs });
  if (result.exitCode === 0) return JSON.parse(result.stdout) as T;
  throw new Error(`${program} in ${podName} exited with ${result.exitCode}: ${result.stderr || result.stdout}`);
}
