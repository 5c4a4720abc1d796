/**
 * The open files that idle connections need. A proxy holds two sockets for each; limits are inherited by the labs, and
 * may be raised only out here: inside them nobody is root.
 */
import { runCommand } from "../../core/run-command.ts";

/** A proxy's sockets for one client connection: the client's and its own. */
const FILES_PER_CONNECTION = 2;
/** Listeners, logs, libraries. */
const OTHER_FILES = 500;

/** Tries to allow so many connections, and gives how many there may be. */
export async function raiseFileLimit(connections: number): Promise<number> {
  const wanted = connections * FILES_PER_CONNECTION + OTHER_FILES;
  const before = await hardLimit();
  if (before < wanted) await runCommand(["prlimit", `--pid=${process.pid}`, `--nofile=${wanted}:${wanted}`]);
  return Math.floor(((await hardLimit()) - OTHER_FILES) / FILES_PER_CONNECTION);
}

async function hardLimit(): Promise<number> {
  const { stdout } = await runCommand(["prlimit", `--pid=${process.pid}`, "--nofile", "--output=HARD", "--noheadings"]);
  const limit = stdout.trim();
  return limit === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(limit);
}
