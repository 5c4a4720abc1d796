/** What a worker knows about one endpoint of one destination. Belongs to its `DestinationBalancer`. */
import type { Candidate } from "../../routing/decide-connection.ts";
import { hashText } from "../../routing/hash-text.ts";
import { Ejection } from "./ejection.ts";
import { GrowingShare } from "./growing-share.ts";
import { LatencyEstimate } from "./latency-estimate.ts";
import type { RequestRecord } from "./request-record.ts";

export class Endpoint {
  /** As the table has it now. Only weight, transport and nearness ever differ from the one it was created with. */
  candidate: Candidate;
  /** What strategies go by: the candidate's weight, or the part of it that it has now (`takers-of.ts`). */
  weight: number;
  /** Connections picked and not yet over. */
  inFlight = 0;
  readonly ejection = new Ejection();
  readonly latency = new LatencyEstimate();
  /** After it was away, or with slow start. */
  readonly share = new GrowingShare();
  /** It has asked to be left alone until then. */
  pausedUntilMs = Number.NEGATIVE_INFINITY;
  /** Undefined until the first request, and when nobody wants to know. */
  record: RequestRecord | undefined;
  /** Hash of the candidate's key, the same on every node. */
  readonly keyHash: number;
  /** Round robin's credit. */
  credit: number;

  /** `startCredit` in [0, weight): drawn at random, or else every agent's round robin would begin at the same endpoint. */
  constructor(candidate: Candidate, startCredit = 0) {
    this.candidate = candidate;
    this.weight = candidate.weight;
    this.credit = startCredit;
    this.keyHash = hashText(candidate.key);
  }

  /** Connections under way relative to the endpoint's weight. */
  get load(): number {
    return this.inFlight / this.weight;
  }
}
