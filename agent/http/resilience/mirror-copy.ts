/**
 * A copy of a request on its way to a mirror, and the answer thrown away. Whoever asked never waits for it and never hears of
 * it: a copy that cannot follow is dropped.
 *
 *   under way --whole answer, or more than anybody wants to read--> answered
 *       | \---no endpoint, no answer, broken off----------------> failed
 *       \---slower than the client sends, or than the clock-----> slow
 *        \--the client left before its request was complete----> dropped
 */
import type { Timer } from "../../../core/clock.ts";
import type { RouteMirror } from "../../../protocol/route-table.ts";
import type { MirrorResult } from "../../telemetry/worker-metrics.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";
import { ByteQueue } from "../../http2/byte-queue.ts";
import type { Fields } from "../fields.ts";
import { Forwarding } from "../forwarding.ts";
import { httpLimits, httpTimers } from "../limits.ts";
import type { CarrierOptions, CarrierOwner, RequestCarrier, TryReport } from "../request-carrier.ts";
import type { ResponseHead } from "../response-head.ts";

export class MirrorCopy implements CarrierOwner, TryReport {
  // TryReport: for nobody.
  failure: string | undefined;
  note: string | undefined;
  tries = 0;
  readonly #plane: CarrierOptions["plane"];
  readonly #mirror: RouteMirror;
  readonly #carrier: RequestCarrier;
  #state: "new" | "under way" | "over" = "new";
  #timer: Timer | undefined;
  #answerBytes = 0;
  /** Of the body, while the endpoint does not take it. */
  readonly #behind = new ByteQueue();
  #isPaused = false;
  #requestEnded = false;
  #trailers: Fields | undefined;

  constructor(options: CarrierOptions, mirror: RouteMirror) {
    const { plane, plan, head } = options;
    this.#plane = plane;
    this.#mirror = mirror;
    // What was decided for the request, but for where it goes; nothing of the rule, whose timeouts and retries are the client's.
    const copied = { ...plan, target: mirror, rule: undefined, endpoint: undefined, responseHeaders: [], mirrors: [] };
    // The body comes in any case; a 100 would be nobody's.
    const copiedHead = { ...head, upgrade: undefined, expectsContinue: false };
    this.#carrier = new Forwarding({ ...options, plan: copied, head: copiedHead, report: this, owner: this });
  }

  get heldBytes(): number {
    return this.#state === "over" ? 0 : this.#behind.bytes + this.#carrier.heldBytes;
  }

  start(): void {
    if (this.#state !== "new") return;
    if (!this.#plane.mirrors.begin(this.#mirror)) {
      this.#state = "over";
      this.#plane.metrics.limitHit("mirrorsPerBackend");
      this.#count("refused");
      return;
    }
    this.#state = "under way";
    this.#timer = this.#plane.clock.after(httpTimers.mirrorMs, () => this.#end("slow"));
    this.#carrier.start();
  }

  requestBody(content: Buffer): void {
    if (this.#state === "over") return;
    if (!this.#isPaused) {
      this.#carrier.requestBody(content);
      return;
    }
    this.#behind.pushSlice(content);
    if (this.#behind.bytes > httpLimits.mirrorBytes) this.#end("slow");
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#requestEnded = true;
    this.#trailers = trailers;
    this.#catchUp();
  }

  /** The client's request is over: nothing of its body follows. */
  requestOver(): void {
    if (!this.#requestEnded) this.#end("dropped");
  }

  // TryReport.

  tried(_candidate: Candidate): void {
    this.tries += 1;
  }

  answeredBy(_candidate: Candidate): void {}

  // CarrierOwner.

  onInterim(_head: ResponseHead): void {}

  onAnswer(_head: ResponseHead): void {}

  onBody(content: Buffer): void {
    this.#answerBytes += content.length;
    if (this.#answerBytes > httpLimits.discardedBytes) this.#end("answered");
  }

  onAnswerEnd(_trailers: Fields | undefined): void {
    this.#end("answered");
  }

  onGivenUp(): void {
    this.#end("failed");
  }

  onCutShort(): void {
    this.#end("failed");
  }

  /** Nobody waits for a mirror: what comes now is kept, up to a bound. */
  pauseRequest(): void {
    this.#isPaused = true;
  }

  resumeRequest(): void {
    this.#isPaused = false;
    this.#catchUp();
  }

  #catchUp(): void {
    while (!this.#isPaused && this.#state !== "over" && this.#behind.bytes > 0) {
      this.#carrier.requestBody(this.#behind.shift(this.#behind.headBytes));
    }
    const isDone = this.#requestEnded && this.#behind.bytes === 0 && this.#state !== "over";
    if (isDone) this.#carrier.requestEnd(this.#trailers);
  }

  #end(result: MirrorResult): void {
    if (this.#state === "over") return;
    const wasUnderWay = this.#state === "under way";
    this.#state = "over";
    this.#timer?.cancel();
    this.#carrier.drop();
    this.#behind.clear();
    if (wasUnderWay) this.#plane.mirrors.end(this.#mirror);
    this.#count(result);
  }

  #count(result: MirrorResult): void {
    this.#plane.metrics.mirrored(this.#mirror.service, result);
  }
}
