/**
 * One of the requests that may share an answer (collapsed-requests.ts).
 *
 *   new --start--> member of a group --its answer--> answering: what it does not take in time is kept for it
 *             \-----------\---------------------> alone: carried like any other request
 */
import { ByteQueue } from "../../http2/byte-queue.ts";
import type { Fields } from "../fields.ts";
import { httpLimits } from "../limits.ts";
import { countPlaceRefusal } from "../protect/placed-request.ts";
import type { PlaceReason } from "../protect/refusals.ts";
import type { CarrierOptions, CarryRequest, RequestCarrier, UpgradedConnection } from "../request-carrier.ts";
import type { ResponseHead } from "../response-head.ts";
import type { CollapsedGroup } from "./collapsed-requests.ts";

export class CollapsedRequest implements RequestCarrier {
  readonly options: CarrierOptions;
  readonly below: CarryRequest;
  readonly #join: (member: CollapsedRequest) => CollapsedGroup | undefined;
  #group: CollapsedGroup | undefined;
  #alone: RequestCarrier | undefined;
  /** Its client does not take more, for now. */
  #isBehind = false;
  readonly #behind = new ByteQueue();
  #end: { readonly trailers: Fields | undefined } | undefined;

  constructor(
    options: CarrierOptions,
    below: CarryRequest,
    join: (member: CollapsedRequest) => CollapsedGroup | undefined,
  ) {
    this.options = options;
    this.below = below;
    this.#join = join;
  }

  get isBehind(): boolean {
    return this.#isBehind;
  }

  // RequestCarrier.

  get heldBytes(): number {
    return this.#behind.bytes + (this.#alone?.heldBytes ?? this.#group?.heldBytesOf(this) ?? 0);
  }

  start(): void {
    this.#group = this.#join(this);
    if (this.#group === undefined) {
      this.options.plane.metrics.limitHit("collapse-waiting");
      this.goAlone();
    } else if (this.#group.isLedBy(this)) this.#group.start();
  }

  /** There is no body. */
  requestBody(_content: Buffer): void {}

  requestEnd(_trailers: Fields | undefined): void {}

  pauseAnswer(): void {
    if (this.#alone !== undefined) this.#alone.pauseAnswer();
    else this.#setBehind(true);
  }

  resumeAnswer(): void {
    if (this.#alone !== undefined) this.#alone.resumeAnswer();
    else this.#catchUp();
  }

  drop(): void {
    this.#alone?.drop();
    const group = this.#group;
    this.#group = undefined;
    this.#behind.clear();
    group?.leave(this);
  }

  handOver(): UpgradedConnection | undefined {
    return undefined;
  }

  // From its group.

  answer(head: ResponseHead): void {
    if (this.#group?.isLedBy(this) === false) {
      const { plane, report, plan } = this.options;
      plane.metrics.collapsed("shared");
      report.note = `shares the answer to an equal request, by policy ${plan.rule?.collapsing?.policy ?? ""}`;
    }
    this.options.owner.onAnswer(head);
  }

  body(content: Buffer): void {
    if (!this.#isBehind) {
      this.options.owner.onBody(content);
      return;
    }
    this.#behind.push(Buffer.from(content));
    if (this.#behind.bytes <= httpLimits.collapsedBytes) return;
    this.options.plane.metrics.limitHit("collapsedBytes");
    this.options.plane.metrics.collapsed("left-behind");
    this.cutShort(`its client is ${this.#behind.bytes} bytes behind others that share the answer`);
  }

  end(trailers: Fields | undefined): void {
    this.#end = { trailers };
    this.#endWhenDone();
  }

  cutShort(detail: string): void {
    this.options.owner.onCutShort(detail, undefined);
  }

  /** Likewise the request that it would share the answer of. */
  refused(reason: PlaceReason, detail: string): void {
    countPlaceRefusal(this.options, reason);
    this.options.owner.onGivenUp(reason, detail);
  }

  /** Nothing was told to the client yet. */
  goAlone(): void {
    if (this.#group !== undefined) this.options.plane.metrics.collapsed("alone");
    this.#group = undefined;
    this.#alone = this.below(this.options);
    this.#alone.start();
    this.#alone.requestEnd(undefined);
  }

  #catchUp(): void {
    this.#isBehind = false;
    while (!this.#isBehind && this.#behind.bytes > 0) {
      this.options.owner.onBody(this.#behind.shift(this.#behind.headBytes));
    }
    this.#group?.paceChanged();
    this.#endWhenDone();
  }

  #endWhenDone(): void {
    const end = this.#end;
    if (end === undefined || this.#behind.bytes > 0 || this.#group === undefined) return;
    this.#end = undefined;
    this.options.owner.onAnswerEnd(end.trailers);
  }

  #setBehind(isBehind: boolean): void {
    this.#isBehind = isBehind;
    this.#group?.paceChanged();
  }
}
