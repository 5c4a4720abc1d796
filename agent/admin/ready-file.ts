/**
 * A file that exists while this agent is ready. In an upgrade two agents share a node and its admin port; a probe of the one
 * must not be answered by the other, and a file in the pod's own folder cannot be.
 */
import { rmSync, writeFileSync } from "node:fs";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";

/** Without a path nothing happens; what fails is logged: an agent serves whether or not a probe can see it. */
export function setReadyFile(path: string | undefined, ready: boolean, log: Log): void {
  if (path === undefined) return;
  try {
    if (ready) writeFileSync(path, "");
    else rmSync(path, { force: true });
  } catch (error) {
    log.error({ event: "ready-file-failed", path, error: describeError(error) }, "Cannot change the ready file");
  }
}
