/**
 * A rule with everything that can be known before a request comes: the sum of its weights, and for each backend what its
 * filters and the rule's make together.
 */
import type { HeaderChanges, RouteBackend, RouteFilters, RouteMirror, RouteRule } from "../../protocol/route-table.ts";

export interface BackendInForce {
  readonly backend: RouteBackend;
  readonly filters: FiltersInForce;
}

/** The rule's filters, then the backend's; where one of a kind holds (redirect, rewrite, CORS), the backend's. */
export interface FiltersInForce extends Omit<RouteFilters, "requestHeaders" | "responseHeaders" | "mirrors"> {
  readonly requestHeaders: readonly HeaderChanges[];
  readonly responseHeaders: readonly HeaderChanges[];
  readonly mirrors: readonly RouteMirror[];
}

export class RuleInForce {
  readonly rule: RouteRule;
  /** Of a request that is answered without a backend. */
  readonly filters: FiltersInForce;
  readonly #backends: readonly BackendInForce[];
  readonly #totalWeight: number;

  constructor(rule: RouteRule) {
    this.rule = rule;
    this.filters = together(rule.filters, undefined);
    const weighty = rule.backends.filter(({ weight }) => weight > 0);
    this.#backends = weighty.map((backend) => ({ backend, filters: together(rule.filters, backend.filters) }));
    this.#totalWeight = weighty.reduce((sum, { weight }) => sum + weight, 0);
  }

  /** Of a rule with no choice; undefined: chance has a say, or there is none. */
  get onlyBackend(): BackendInForce | undefined {
    return this.#backends.length === 1 ? this.#backends[0] : undefined;
  }

  /** `random` in [0, 1): over all of it, each backend has exactly its share. Undefined: none has a weight. */
  chooseBackend(random: number): BackendInForce | undefined {
    let left = random * this.#totalWeight;
    for (const choice of this.#backends) {
      left -= choice.backend.weight;
      if (left < 0) return choice;
    }
    return undefined;
  }

  /** One of the rule's backends, also without a weight. */
  inForce(backend: RouteBackend): BackendInForce {
    const known = this.#backends.find((each) => each.backend === backend);
    return known ?? { backend, filters: together(this.rule.filters, backend.filters) };
  }
}

function together(rule: RouteFilters = {}, backend: RouteFilters = {}): FiltersInForce {
  return {
    ...rule,
    ...backend,
    requestHeaders: present(rule.requestHeaders, backend.requestHeaders),
    responseHeaders: present(rule.responseHeaders, backend.responseHeaders),
    mirrors: [...(rule.mirrors ?? []), ...(backend.mirrors ?? [])],
  };
}

function present<T>(...values: (T | undefined)[]): readonly T[] {
  return values.filter((value) => value !== undefined);
}
