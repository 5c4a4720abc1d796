/**
 * A request that is sent only once it has a place in its rule's concurrency limit. Where equal requests are sent once
 * (resilience/collapsed-requests.ts), places are for what is sent: those that share an answer ask no server, and need none.
 * Of other rules, requests take their places before (protected-request.ts).
 *
 *   new --start: inside----------> under way --drop--> the place is the next one's
 *         \--in the line--its turn--^   \--upgraded--> when the connection has ended
 *          \        \---too long: given up
 *           \---no place: given up
 */
import type { ConcurrencyLimit } from "../../../protocol/route-table.ts";
import type { Fields } from "../fields.ts";
import type { CarrierOptions, CarryRequest, RequestCarrier, UpgradedConnection } from "../request-carrier.ts";
import { watchedUpgrade } from "../watched-upgrade.ts";
import type { ConcurrencyGate, GatePlace, GateVisitor } from "./concurrency-gate.ts";
import { circuitOpen, noPlace, type PlaceReason, waitedTooLong } from "./refusals.ts";
import type { Guard } from "./rule-guards.ts";

/** `below`: what carries it when it has its place. Undefined: it needs none here. */
export function placedRequest(options: CarrierOptions, below: CarryRequest): RequestCarrier | undefined {
  const { rule } = options.plan;
  const places = rule === undefined ? undefined : options.plane.protection.guardsOf(rule).places;
  return places === undefined ? undefined : new PlacedRequest(options, places, below);
}

/** For each request that is not answered because of it. */
export function countPlaceRefusal({ plane, plan }: CarrierOptions, reason: PlaceReason): void {
  const part = reason === "circuit-open" ? plan.rule?.breaker : plan.rule?.concurrency;
  plane.metrics.policyRefusal(part?.policy ?? "", reason);
}

class PlacedRequest implements RequestCarrier, GateVisitor {
  readonly #options: CarrierOptions;
  readonly #places: Guard<ConcurrencyLimit, ConcurrencyGate>;
  readonly #request: RequestCarrier;
  #place: GatePlace | undefined;

  constructor(options: CarrierOptions, places: Guard<ConcurrencyLimit, ConcurrencyGate>, below: CarryRequest) {
    this.#options = options;
    this.#places = places;
    this.#request = below(options);
  }

  // RequestCarrier.

  get heldBytes(): number {
    return this.#request.heldBytes;
  }

  start(): void {
    this.#place = this.#places.state.enter(this);
    if (this.#place === undefined) this.#giveUp("concurrency-limit", noPlace(this.#places.part).text);
    else if (this.#place.isInside) this.#request.start();
  }

  requestBody(content: Buffer): void {
    this.#request.requestBody(content);
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#request.requestEnd(trailers);
  }

  pauseAnswer(): void {
    this.#request.pauseAnswer();
  }

  resumeAnswer(): void {
    this.#request.resumeAnswer();
  }

  drop(): void {
    this.#request.drop();
    // Last: who gets the place finds the server with one request less.
    this.#place?.leave();
  }

  handOver(): UpgradedConnection | undefined {
    const upgraded = this.#request.handOver();
    const place = this.#place;
    if (upgraded === undefined) return undefined;
    this.#place = undefined;
    return watchedUpgrade(upgraded, () => place?.leave());
  }

  // GateVisitor.

  /** The breaker has let it into the line, and may have opened since. */
  admitted(): void {
    const { plan, plane } = this.#options;
    const breaker = plan.rule === undefined ? undefined : plane.protection.guardsOf(plan.rule).breaker;
    if (breaker?.state.state !== "open") {
      this.#request.start();
      return;
    }
    this.#place?.leave();
    this.#giveUp("circuit-open", circuitOpen(breaker.part, breaker.state.closedForMs).text);
  }

  timedOut(): void {
    this.#giveUp("queue-timeout", waitedTooLong(this.#places.part).text);
  }

  #giveUp(reason: PlaceReason, text: string): void {
    countPlaceRefusal(this.#options, reason);
    this.#options.owner.onGivenUp(reason, text);
  }
}
