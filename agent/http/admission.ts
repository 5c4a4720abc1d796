/**
 * The layer between a decision and its forwarding: whether a request may go now, later, or not at all. It is told what
 * became of what it let go, so that it can count.
 *
 *   ask --undefined---------------------------------> goes, and nobody wants to know more
 *      \--Refusal-----------------------------------> answered by us
 *       \--Admission --mustWait: admitted-----------> goes --> over(outcome)
 *                             \----refused----------> answered by us, over(outcome)
 */
import type { HeaderField } from "../../protocol/route-table.ts";
import type { ForwardPlan } from "./forward-plan.ts";
import type { HttpFacts } from "./http-plane.ts";
import type { RequestReason } from "./request-failure.ts";
import type { RequestHead } from "./request-head.ts";

export interface AdmissionRequest {
  readonly facts: HttpFacts;
  readonly plan: ForwardPlan;
  /** As it came from the client. */
  readonly head: RequestHead;
}

/** What the client is told instead of an answer. */
export interface Refusal {
  readonly reason: RequestReason;
  readonly status: number;
  /** One sentence, which names the policy. */
  readonly text: string;
  readonly headers?: readonly HeaderField[];
  /** For a gRPC client, where `status` does not say enough. */
  readonly grpcStatus?: number;
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
  readonly grpcStatus: number | undefined;
}

export interface Admission {
  /** The asker is called later. */
  readonly mustWait: boolean;
  /** The request is over, in whatever state it was. Once. */
  over(outcome: RequestOutcome): void;
}

export interface AdmissionGate {
  ask(request: AdmissionRequest, asker: AdmissionAsker): Refusal | Admission | undefined;
}
