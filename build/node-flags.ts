/** Flags of Node for the processes that ship, each with its reason. They hold for every thread unless it has its own. */

export const agentNodeFlags: readonly string[] = [
  // The main thread's young generation, in MB: tables and metrics come in small pieces, and 16 MB of it would only be
  // memory that is waiting to be collected. Data workers have their own size (agent/worker/resource-limits.ts).
  "--max-semi-space-size=1",
  // Calls of a function after which V8 compiles it for good, instead of 3,000: the paths of new connections and of requests get
  // there in a third of the time after a start. Later it makes no difference.
  "--invocation-count-for-turbofan=1000",
];

export const controllerNodeFlags: readonly string[] = [
  // Half of the young generation, in MB. With V8's own 16 a controller of 10,000 pods holds 40 MB more, and needs no less CPU.
  "--max-semi-space-size=4",
  // How much garbage the heap may hold beside what is alive, in percent. Every table leaves arrays of its size behind;
  // left to itself, V8 lets the heap of a large cluster grow to several times that before it looks.
  "--heap-growing-percent=25",
];
