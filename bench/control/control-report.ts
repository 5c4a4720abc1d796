/** What the control bench finds out, and what it was asked to measure. */

export interface ControlBenchOptions {
  readonly agents: number;
  readonly pods: number;
  readonly services: number;
  /** Of sustained changes. */
  readonly seconds: number;
  /** Changes per second meanwhile. */
  readonly rate: number;
  /** Flags for the controller's runtime, e.g. `--cpu-prof`. */
  readonly runtimeFlags: readonly string[];
}

export interface ControlLoad {
  readonly changes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Changes times agents that were seen in force. Fewer than expected: a change overtaken by the next of the same pod. */
  readonly samples: number;
  /** On the wire, both directions, all headers; what reports and pings cost meanwhile is taken off. */
  readonly bytesPerChangePerAgent: number;
  /** Tables published for these changes. */
  readonly tables: number;
  readonly controllerCpuSeconds: number;
  readonly seconds: number;
}

export interface ControlStorm {
  /** From the cut to every agent connected, with a change in force that was made after the cut. */
  readonly convergedMs: number;
  readonly snapshots: number;
  readonly deltas: number;
  readonly controllerCpuSeconds: number;
  readonly megabytes: number;
}

export interface ControlPlaneReport {
  /** Controller started -> it listens -> every agent has the newest table in force, and is marked in it. */
  readonly coldStart: {
    readonly listensMs: number;
    readonly convergedMs: number;
    readonly controllerCpuSeconds: number;
    readonly megabytes: number;
  };
  readonly idle: { readonly bytesPerSecondPerAgent: number; readonly controllerCpuPercent: number };
  /** One change at a time, the next when all have the one before. */
  readonly single: ControlLoad;
  readonly sustained: ControlLoad;
  /** All connections cut; the controller stays. */
  readonly reconnect: ControlStorm;
  /** The controller killed and started again. */
  readonly restart: ControlStorm;
  readonly controller: {
    /** Resident: it has read and compiled all documents; all agents have its table; before it is killed. */
    readonly listeningMb: number;
    readonly convergedMb: number;
    readonly peakMb: number;
    readonly residentMb: number;
    readonly cpuSeconds: number;
    /** Document states refused; there must be none. */
    readonly refusals: number;
  };
  /** Messages that agents refused; there must be none. */
  readonly agentRefusals: number;
  /** Every table at the agents equals that of the controller. */
  readonly tablesAgree: boolean;
}

export interface AgentCostReport {
  readonly pods: number;
  /** What the table costs: of the process, and in the heaps of the main thread and of one data worker. */
  readonly residentMb: number;
  readonly mainHeapMb: number;
  /** With what V8 has not collected yet. */
  readonly workerHeapMb: number;
  /** Medians of one pod's change: the node's view, the difference, `ipset restore`; and the whole. */
  readonly viewMs: number;
  readonly setsMs: number;
  readonly changeMs: number;
  readonly setMembers: number;
}

export interface ControlBenchReport {
  readonly options: ControlBenchOptions;
  readonly plane: ControlPlaneReport;
  readonly agent: AgentCostReport;
}
