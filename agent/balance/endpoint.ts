/** What a worker knows about one endpoint of one destination. Belongs to its `DestinationBalancer`. */
import type { Candidate } from "../../routing/decide-connection.ts";
import { Ejection } from "./ejection.ts";
import { hashText } from "../../routing/hash-text.ts";
import { LatencyEstimate } from "./latency-estimate.ts";

export class Endpoint {
  /** As the table has it now. Only weight and transport ever differ from the one it was created with. */
  candidate: Candidate;
  /** Connections picked and not yet over. */
  inFlight = 0;
  readonly ejection = new Ejection();
  readonly latency = new LatencyEstimate();
  /** Hash of the candidate's key, the same on every node. */
  readonly keyHash: number;
  /** Round robin's credit. */
  credit: number;

  /** `startCredit` in [0, weight): drawn at random, or else every agent's round robin would begin at the same endpoint. */
  constructor(candidate: Candidate, startCredit = 0) {
    this.candidate = candidate;
    this.credit = startCredit;
    this.keyHash = hashText(candidate.key);
  }

  /** Connections under way relative to the endpoint's weight. */
  get load(): number {
    return this.inFlight / this.candidate.weight;
  }
}
