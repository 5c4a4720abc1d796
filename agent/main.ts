/**
 * Entry point of the agent: reads the settings once, starts, and stops in order on SIGTERM or SIGINT. What is done once
 * instead (`--check`, `--remove-traces`) is a program of its own beside it: an agent that serves does not hold it.
 */
import { systemClock } from "../core/clock.ts";
import { describeError, HawserError } from "../core/errors.ts";
import { createPinoLog } from "../core/pino-log.ts";
import { returnMemoryRegularly } from "../core/return-memory.ts";
import { packageVersion } from "../core/version.ts";
import { Agent } from "./agent.ts";
import { type AgentSettings, parseSettings } from "./settings.ts";
import { agentLogFields } from "./telemetry/agent-log-fields.ts";
import { threadEntry } from "./thread-entry.ts";

/** Words that ask for something else than to serve. */
const ONCE: readonly string[] = ["--check", "--remove-traces"];
/** What a load leaves is needed again by the next one: seldom. */
const RETURN_MEMORY_PERIOD_MS = 60_000;

function settingsOrExit(): AgentSettings {
  try {
    return parseSettings(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof HawserError)) throw error;
    process.stderr.write(`agent: wrong settings\n${error.message}\nSee --help.\n`);
    process.exit(2);
  }
}

function serve(): void {
  const settings = settingsOrExit();
  const log = createPinoLog({ level: settings.logLevel, base: agentLogFields(settings.node) });

  // The rules stay: traffic stops rather than going in clear, until another agent adopts them.
  function crash(error: unknown, message: string): never {
    log.error(
      { event: "crash", error: describeError(error), stack: error instanceof Error ? error.stack : "" },
      message,
    );
    log.flush();
    process.exit(1);
  }
  process.on("uncaughtException", (error) => crash(error, "Agent crashed"));
  process.on("unhandledRejection", (error) => crash(error, "Agent crashed"));

  const agent = new Agent({ settings, version: packageVersion, clock: systemClock, log, random: Math.random });

  let stopping = false;
  async function stop(signal: string): Promise<void> {
    if (stopping) {
      log.warn({ signal }, "Second signal: agent exits at once, its rules stay");
      log.flush();
      process.exit(1);
    }
    stopping = true;
    await agent.stop(signal);
    log.flush();
    process.exit(0);
  }
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => void stop(signal));

  returnMemoryRegularly({ clock: systemClock, log, periodMs: RETURN_MEMORY_PERIOD_MS });
  agent.start().catch((error: unknown) => crash(error, "Agent cannot start"));
}

if (process.argv.some((word) => ONCE.includes(word))) void import(threadEntry("./once-main.ts", import.meta.url).href);
else serve();
