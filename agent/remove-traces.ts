/**
 * What no orderly stop does: takes away whatever agents of any version have left on this host, also those that crashed, and
 * the state directory with its keys and its last table. For the very end; `hawser uninstall` runs it on every node.
 */
import { rm } from "node:fs/promises";
import { connect } from "node:net";
import { HawserError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { RunCommand } from "../core/run-command.ts";
import { AGENT_ADMIN_PORT } from "../protocol/ports.ts";
import { Netfilter } from "./netfilter/netfilter.ts";

export interface RemovalOptions {
  readonly run: RunCommand;
  readonly stateDir: string;
  readonly log: Log;
  /** Whether an agent runs on this host. */
  readonly agentRuns?: () => Promise<boolean>;
}

/** Throws HawserError `agent-runs` and changes nothing while an agent serves here. */
export async function removeTraces({
  run,
  stateDir,
  log,
  agentRuns = adminPortAnswers,
}: RemovalOptions): Promise<void> {
  if (await agentRuns()) {
    throw new HawserError(
      "agent-runs",
      "Cannot remove the traces of an agent that runs, stop it first: it takes its rules away",
    );
  }
  await new Netfilter({ run, log }).remove();
  await rm(stateDir, { recursive: true, force: true });
  log.info({ event: "traces-removed", stateDir }, "Rules, sets, routes and state of agents are gone from this host");
}

function adminPortAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(AGENT_ADMIN_PORT, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
