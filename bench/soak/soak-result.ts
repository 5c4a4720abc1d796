/** The document that a soak gives (`--json`). */

/** Counts of an agent that must be back where they were once nothing is sent any more. */
export const COUNTS = [
  "connections",
  "requests",
  "upstreams",
  "tunnels",
  "timers",
  "sockets",
  "bufferedBytes",
] as const;
export type CountName = (typeof COUNTS)[number];

export const MEMORY = ["residentKib", "heapKib", "externalKib"] as const;
export type MemoryName = (typeof MEMORY)[number];

/** One look at an agent. */
export interface SoakSample {
  readonly atSeconds: number;
  readonly counts: Readonly<Record<CountName, number>>;
  readonly memory: Readonly<Record<MemoryName, number>>;
}

export interface AgentSoak {
  readonly node: string;
  /** After some traffic of each kind and a silence. */
  readonly before: SoakSample;
  readonly during: readonly SoakSample[];
  /** After the load and the same silence. */
  readonly after: SoakSample;
}

export interface SoakVerdict {
  readonly node: string;
  readonly what: CountName | MemoryName;
  /** `<= 2`, or `grows <= 10 %`. */
  readonly wanted: string;
  readonly found: number;
  readonly ok: boolean;
}

export interface SoakResult {
  readonly format: 1;
  readonly startedAt: string;
  readonly loadSeconds: number;
  /** What was sent, by kind of traffic. */
  readonly traffic: Readonly<Record<string, number>>;
  readonly agents: readonly AgentSoak[];
  readonly verdicts: readonly SoakVerdict[];
}
