/**
 * The layer below an exchange: whatever gets a request answered. A `Forwarding` is one, and so is anything that stands
 * around one or several of them and speaks both sides of this.
 */
import type { Candidate } from "../../routing/decide-connection.ts";
import type { ByteCounters, CloseReason } from "../relay/relay.ts";
import type { StreamHandler, TunnelStream } from "../tunnel/engine.ts";
import type { Fields } from "./fields.ts";
import type { ForwardPlan } from "./forward-plan.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import type { FailureReason } from "./request-failure.ts";
import type { RequestHead } from "./request-head.ts";
import type { RequestRouter } from "./request-router.ts";
import type { ResponseHead } from "./response-head.ts";

/** The body may come before `start`; it is kept, and the client paused when that is too much. */
export interface RequestCarrier {
  readonly heldBytes: number;
  start(): void;
  requestBody(content: Buffer): void;
  requestEnd(trailers: Fields | undefined): void;
  pauseAnswer(): void;
  resumeAnswer(): void;
  /** Gives the request up, in whatever state it is. No callback follows. `isOutrun`: a try that began later is answered. */
  drop(isOutrun?: boolean): void;
  /** After a 101, from within `onAnswer`: the connection is the caller's. */
  handOver(): UpgradedConnection | undefined;
}

/** The exchange, or a layer between. */
export interface CarrierOwner {
  onInterim(head: ResponseHead): void;
  /** The head of the answer, or a 101. */
  onAnswer(head: ResponseHead): void;
  /** Lent: valid until this returns. */
  onBody(content: Buffer): void;
  /** The answer is complete; its endpoint may have another request already. */
  onAnswerEnd(trailers: Fields | undefined): void;
  /** There is no answer and no other try. */
  onGivenUp(reason: FailureReason, detail: string): void;
  /** The answer broke off; with this error code of HTTP/2, if the endpoint has told one. */
  onCutShort(detail: string, resetCode: number | undefined): void;
  pauseRequest(): void;
  resumeRequest(): void;
}

export interface CarrierOptions {
  readonly plane: HttpPlane;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
  readonly plan: ForwardPlan;
  /** As it goes out; the same in every try. */
  readonly head: RequestHead;
  /** When a gRPC client gives up, on the monotonic clock: the server is told what is left. */
  readonly deadlineMs: number | undefined;
  readonly report: TryReport;
  readonly owner: CarrierOwner;
  /** Keys of endpoints that others try beside this one. */
  readonly avoid?: ReadonlySet<string>;
  /** Others try beside this one: the rule's retries are theirs. */
  readonly onlyOnce?: boolean;
}

/** How a layer is given what is below it. */
export type CarryRequest = (options: CarrierOptions) => RequestCarrier;

/** What became of the tries: the report of the request, or of a part of it. */
export interface TryReport {
  /** Why the last try failed. */
  failure: string | undefined;
  /** What a policy did, for the log; the last one counts. */
  note: string | undefined;
  readonly tries: number;
  tried(candidate: Candidate): void;
  /** Where tries run beside each other, the last one need not be it. */
  answeredBy(candidate: Candidate): void;
}

/** What a 101 leaves: a connection of bytes. */
export interface UpgradedConnection {
  /** Everything goes to `relay`, which gets the stream and the running totals. */
  handOver(relay: StreamHandler): { readonly stream: TunnelStream | undefined; readonly counters: ByteCounters };
  /** The relay has ended, and the stream with it. */
  relayEnded(reason: CloseReason): void;
}
