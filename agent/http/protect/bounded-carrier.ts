/**
 * A layer around whatever carries a request: counts both bodies against a policy's sizes, and lets the answer's through no
 * faster than a fault says.
 *
 *   request's body beyond its size   not answered yet: 413; else the answer is broken off
 *   answer's beyond its size         said in its head: 502; else it is broken off where it gets too long
 *
 * A paced answer's end waits for its last slice; the endpoint behind it is free as soon as it has sent everything.
 */
import type { Pace } from "../admission.ts";
import type { Fields } from "../fields.ts";
import type { CarrierOptions, CarrierOwner, RequestCarrier, UpgradedConnection } from "../request-carrier.ts";
import type { FailureReason } from "../request-failure.ts";
import type { ResponseHead } from "../response-head.ts";
import { PacedBody } from "./paced-body.ts";
import { requestTooLarge, responseTooLarge } from "./refusals.ts";

export type TooLarge = "request-too-large" | "response-too-large";

/** The exchange: this layer is the outermost. */
export interface BoundedOwner extends CarrierOwner {
  /** No callback follows. */
  onTooLarge(reason: TooLarge, detail: string): void;
}

export interface BoundedOptions extends CarrierOptions {
  readonly owner: BoundedOwner;
  /** Of the answer's body. */
  readonly pace: Pace | undefined;
}

export class BoundedCarrier implements RequestCarrier, CarrierOwner {
  readonly #owner: BoundedOwner;
  readonly #options: BoundedOptions;
  readonly #inner: RequestCarrier;
  /** Of the bodies, what may still come. */
  #requestLeft: number;
  #responseLeft: number;
  #isOver = false;
  #paced: PacedBody | undefined;
  /** It waits for the last slice. */
  #end: { readonly trailers: Fields | undefined } | undefined;

  constructor(options: BoundedOptions, carryBelow: (options: CarrierOptions) => RequestCarrier) {
    const { requestBytes = Infinity, responseBytes = Infinity } = options.plan.rule?.sizes ?? {};
    this.#options = options;
    this.#owner = options.owner;
    this.#requestLeft = requestBytes;
    this.#responseLeft = responseBytes;
    this.#inner = carryBelow({ ...options, owner: this });
  }

  // RequestCarrier.

  get heldBytes(): number {
    return this.#inner.heldBytes + (this.#paced?.heldBytes ?? 0);
  }

  start(): void {
    this.#inner.start();
  }

  requestBody(content: Buffer): void {
    if (this.#isOver) return;
    this.#requestLeft -= content.length;
    if (this.#requestLeft < 0) this.#tooLarge("request-too-large");
    else this.#inner.requestBody(content);
  }

  requestEnd(trailers: Fields | undefined): void {
    if (!this.#isOver) this.#inner.requestEnd(trailers);
  }

  pauseAnswer(): void {
    this.#paced?.pause();
    this.#inner.pauseAnswer();
  }

  resumeAnswer(): void {
    if (this.#paced === undefined) this.#inner.resumeAnswer();
    else this.#paced.resume();
  }

  drop(): void {
    this.#isOver = true;
    this.#paced?.drop();
    this.#inner.drop();
  }

  handOver(): UpgradedConnection | undefined {
    return this.#inner.handOver();
  }

  // CarrierOwner.

  onInterim(head: ResponseHead): void {
    this.#owner.onInterim(head);
  }

  onAnswer(head: ResponseHead): void {
    if (head.hasBody && (head.length ?? 0) > this.#responseLeft) {
      this.#tooLarge("response-too-large");
      return;
    }
    this.#paced = this.#createPaced();
    this.#owner.onAnswer(head);
  }

  onBody(content: Buffer): void {
    if (this.#isOver) return;
    this.#responseLeft -= content.length;
    if (this.#responseLeft < 0) this.#tooLarge("response-too-large");
    else if (this.#paced === undefined) this.#owner.onBody(content);
    else {
      this.#paced.write(content);
      if (this.#paced.heldBytes > 0) this.#inner.pauseAnswer();
    }
  }

  onAnswerEnd(trailers: Fields | undefined): void {
    if (this.#isOver) return;
    this.#end = { trailers };
    if ((this.#paced?.heldBytes ?? 0) === 0) this.#ended();
  }

  onGivenUp(reason: FailureReason, detail: string): void {
    this.#owner.onGivenUp(reason, detail);
  }

  onCutShort(detail: string, resetCode: number | undefined): void {
    this.#paced?.drop();
    this.#owner.onCutShort(detail, resetCode);
  }

  pauseRequest(): void {
    this.#owner.pauseRequest();
  }

  resumeRequest(): void {
    this.#owner.resumeRequest();
  }

  #createPaced(): PacedBody | undefined {
    const { pace, plane } = this.#options;
    if (pace === undefined) return undefined;
    return new PacedBody({
      ...pace,
      clock: plane.clock,
      pass: (content) => this.#owner.onBody(content),
      onEmpty: () => this.#emptied(),
    });
  }

  #emptied(): void {
    if (this.#isOver) return;
    if (this.#end === undefined) this.#inner.resumeAnswer();
    else this.#ended();
  }

  #ended(): void {
    const { trailers } = this.#end ?? {};
    this.#isOver = true;
    this.#owner.onAnswerEnd(trailers);
  }

  #tooLarge(reason: TooLarge): void {
    const { plan, plane } = this.#options;
    const sizes = plan.rule?.sizes;
    if (sizes === undefined) return;
    const { text, policy } = reason === "request-too-large" ? requestTooLarge(sizes) : responseTooLarge(sizes);
    this.drop();
    plane.metrics.policyRefusal(policy, reason);
    this.#owner.onTooLarge(reason, text);
  }
}
