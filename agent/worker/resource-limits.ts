/** What V8 gives the thread of a data worker; the main thread has the process's flags (build/node-flags.ts). */
import type { ResourceLimits } from "node:worker_threads";

export const workerResourceLimits: Readonly<ResourceLimits> = {
  // What lives for one call must die young. Measured with small calls on 64 connections: with 3 MB the agent needs a
  // quarter more CPU, with 48 MB no less than with 12.
  maxYoungGenerationSizeMb: 12,
};
