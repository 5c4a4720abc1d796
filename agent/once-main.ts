/**
 * What the agent's program does once instead of serving:
 *
 *   --check [--json]   looks whether this host can be intercepted; changes nothing. Exits with 1 when something has failed
 *   --remove-traces    takes away what agents have left on this host
 */
import { Command, Option } from "commander";
import { describeError } from "../core/errors.ts";
import { createPinoLog } from "../core/pino-log.ts";
import { checkExitCode, renderFindings } from "../protocol/finding.ts";
import { judgeHost } from "./host-check/judge-host.ts";
import { readHostFacts } from "./host-check/read-host-facts.ts";
import { spawnCommand } from "./programs/spawn-command.ts";
import { removeTraces } from "./remove-traces.ts";
import { DEFAULT_STATE_DIR } from "./settings.ts";

interface OnceFlags {
  readonly check?: boolean;
  readonly json?: boolean;
  readonly stateDir: string;
}

async function check({ stateDir, json }: OnceFlags): Promise<void> {
  const findings = judgeHost(await readHostFacts({ run: spawnCommand, stateDir }));
  const text = json === true ? JSON.stringify(findings, null, 2) : renderFindings(findings);
  process.stdout.write(`${text}\n`);
  process.exitCode = checkExitCode(findings);
}

async function main(): Promise<void> {
  const flags = new Command("agent")
    .option("--check", "look whether this host can be intercepted; changes nothing")
    .option("--json", "for a program")
    .option("--remove-traces", "take away what agents have left on this host")
    .addOption(new Option("--state-dir <path>", "as the agent's").env("HAWSER_STATE_DIR").default(DEFAULT_STATE_DIR))
    .parse()
    .opts<OnceFlags>();
  const log = createPinoLog({ level: "info", base: { component: "agent" } });
  try {
    if (flags.check === true) await check(flags);
    else await removeTraces({ run: spawnCommand, stateDir: flags.stateDir, log });
  } catch (error) {
    process.stderr.write(`agent: ${describeError(error)}\n`);
    process.exitCode = 1;
  }
  log.flush();
}

void main();
