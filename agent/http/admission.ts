/**
 * The layer between a decision and its forwarding: whether a request may go now, later, or not at all. It is told what
 * became of what it let go, so that it can count.
 *
 *   ask --undefined---------------------------------> goes, and nobody wants to know more
 *      \--Refusal-----------------------------------> answered by us
 *       \--Admission --mustWait: admitted-----------> goes --answered--> over(outcome)
 *                             \----refused----------> answered by us, over(outcome)
 */
import type { HeaderField } from "../../protocol/route-table.ts";
import type { RequestFacts } from "../../routing/http/request-facts.ts";
import type { ForwardPlan } from "./forward-plan.ts";
import type { HttpFacts } from "./http-plane.ts";
import type { RequestReason } from "./request-failure.ts";
import type { RequestHead } from "./request-head.ts";

export interface AdmissionRequest {
  readonly facts: HttpFacts;
  readonly plan: ForwardPlan;
  /** As it came from the client. */
  readonly head: RequestHead;
  /** The same, as the decision was made from it. */
  readonly request: RequestFacts;
}

/** What the client is told instead of an answer. */
export interface Refusal {
  readonly reason: RequestReason;
  readonly status: number;
  /** For a gRPC caller; absent: as the status is translated. */
  readonly grpcStatus?: number;
  /** One sentence, which names the policy. */
  readonly text: string;
  readonly headers?: readonly HeaderField[];
}

/** Of a request that waits; never called from within `ask`, nor after `over`. One of the two, once. */
export interface AdmissionAsker {
  admitted(): void;
  refused(refusal: Refusal): void;
}

export interface RequestOutcome {
  readonly reason: RequestReason;
  /** Undefined: the client has seen none. */
  readonly status: number | undefined;
  /** Undefined for what is no gRPC call. */
  readonly grpcStatus?: number | undefined;
}

export interface Admission {
  /** The asker is called later. */
  readonly mustWait: boolean;
  readonly pace?: Pace | undefined;
  /** The head of the answer has come. */
  answered?(outcome: RequestOutcome): void;
  /** The request is over, in whatever state it was. Once. Of an upgraded one, its connection goes on. */
  over(outcome: RequestOutcome): void;
  /** So has the connection that an upgraded one became. */
  closed?(): void;
}

export interface AdmissionGate {
  ask(request: AdmissionRequest, asker: AdmissionAsker): Refusal | Admission | undefined;
}

/** How fast an answer's body may go on to the client. */
export interface Pace {
  readonly bytesPerSecond: number;
  /** Of the wall clock; from then on as fast as it comes. */
  readonly untilMs: number;
}
