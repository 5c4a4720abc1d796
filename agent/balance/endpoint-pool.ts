/**
 * The endpoints that may take the next connection, prepared for drawing by weight. Immutable: a new pool is made when
 * the table or an ejection changes who may.
 */
import type { Endpoint } from "./endpoint.ts";

export class EndpointPool {
  readonly endpoints: readonly Endpoint[];
  readonly totalWeight: number;
  readonly equalWeights: boolean;
  /** Sum of the weights up to and including each endpoint. */
  readonly #cumulative: Float64Array;

  constructor(endpoints: readonly Endpoint[]) {
    this.endpoints = endpoints;
    this.#cumulative = new Float64Array(endpoints.length);
    let total = 0;
    for (const [index, endpoint] of endpoints.entries()) {
      total += endpoint.weight;
      this.#cumulative[index] = total;
    }
    this.totalWeight = total;
    this.equalWeights = endpoints.every((endpoint) => endpoint.weight === endpoints[0]?.weight);
  }

  /** One endpoint, with the probability of its weight. Undefined for an empty pool. */
  draw(random: () => number): Endpoint | undefined {
    if (this.equalWeights) return this.endpoints[Math.floor(random() * this.endpoints.length)];
    return this.endpoints[this.#firstAbove(random() * this.totalWeight)];
  }

  /**
   * Two endpoints for a strategy that takes the better one. Different ones when weights are equal; drawn independently
   * when not, else of two endpoints with weights 90 and 10 the small one would be looked at every time.
   */
  drawTwo(random: () => number): readonly [Endpoint, Endpoint] | undefined {
    const first = this.draw(random);
    if (first === undefined) return undefined;
    if (!this.equalWeights) return [first, this.draw(random) ?? first];
    return [first, this.#drawOther(first, random) ?? first];
  }

  #drawOther(first: Endpoint, random: () => number): Endpoint | undefined {
    const count = this.endpoints.length;
    if (count < 2) return undefined;
    const index = Math.floor(random() * (count - 1));
    const other = this.endpoints[index];
    // The last one stands in for the one that was drawn already.
    return other === first ? this.endpoints[count - 1] : other;
  }

  /** Binary search: index of the first endpoint whose cumulative weight is above `point`. */
  #firstAbove(point: number): number {
    let low = 0;
    let high = this.#cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cumulative[middle] ?? 0) > point) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
