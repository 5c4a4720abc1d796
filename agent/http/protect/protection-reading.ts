/** What protects requests, as one data worker has it, for a person who asks. */
import type { LiveBreaker, LiveGate, LiveRate } from "../../../protocol/live-state.ts";

export interface ProtectionReading {
  readonly breakers: readonly Omit<LiveBreaker, "worker">[];
  readonly gates: readonly Omit<LiveGate, "worker">[];
  readonly rates: readonly Omit<LiveRate, "worker">[];
}
