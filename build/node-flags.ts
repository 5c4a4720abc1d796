/** Flags of Node for the processes that ship, each with its reason. They hold for every thread unless it has its own. */

export const agentNodeFlags: readonly string[] = [
  // The main thread's young generation, in MB: tables and metrics come in small pieces, and 16 MB of it would only be
  // memory that is waiting to be collected. Data workers have their own size (agent/worker/worker-pool.ts).
  "--max-semi-space-size=1",
];
