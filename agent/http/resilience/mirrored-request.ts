/**
 * A request and its copies (filter RequestMirror), which get the body as it comes. The request goes first in everything and
 * never waits for a copy.
 */
import type { Fields } from "../fields.ts";
import type { CarrierOptions, CarryRequest, RequestCarrier, UpgradedConnection } from "../request-carrier.ts";
import { MirrorCopy } from "./mirror-copy.ts";

/** `below`: what carries the request itself. Undefined: there are no copies of it. */
export function mirroredRequest(options: CarrierOptions, below: CarryRequest): RequestCarrier | undefined {
  const { mirrors } = options.plan;
  // A copy of what becomes a connection of bytes would be half a conversation.
  if (mirrors.length === 0 || options.head.upgrade !== undefined) return undefined;
  return new MirroredRequest(options, below);
}

class MirroredRequest implements RequestCarrier {
  readonly #request: RequestCarrier;
  readonly #copies: readonly MirrorCopy[];

  constructor(options: CarrierOptions, below: CarryRequest) {
    this.#request = below(options);
    this.#copies = options.plan.mirrors.map((mirror) => new MirrorCopy(options, mirror));
  }

  get heldBytes(): number {
    return this.#copies.reduce((sum, copy) => sum + copy.heldBytes, this.#request.heldBytes);
  }

  start(): void {
    this.#request.start();
    for (const copy of this.#copies) copy.start();
  }

  requestBody(content: Buffer): void {
    this.#request.requestBody(content);
    for (const copy of this.#copies) copy.requestBody(content);
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#request.requestEnd(trailers);
    for (const copy of this.#copies) copy.requestEnd(trailers);
  }

  pauseAnswer(): void {
    this.#request.pauseAnswer();
  }

  resumeAnswer(): void {
    this.#request.resumeAnswer();
  }

  drop(): void {
    this.#request.drop();
    for (const copy of this.#copies) copy.requestOver();
  }

  handOver(): UpgradedConnection | undefined {
    return this.#request.handOver();
  }
}
