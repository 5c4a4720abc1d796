/** The quotas of a table by name. Of policies that name the same one with other numbers, the stricter has its way. */
import type { QuotaTerms } from "../../protocol/quota.ts";
import type { RouteEntry } from "../../protocol/route-table.ts";

export function quotaTerms(routes: Iterable<RouteEntry>): ReadonlyMap<string, QuotaTerms> {
  const terms = new Map<string, QuotaTerms>();
  for (const { rules } of routes) {
    for (const { quotas = [] } of rules) {
      for (const quota of quotas) terms.set(quota.name, stricterTerms(quota, terms.get(quota.name)));
    }
  }
  return terms;
}

export function stricterTerms({ requests, perMs }: QuotaTerms, other: QuotaTerms | undefined): QuotaTerms {
  if (other !== undefined && other.requests / other.perMs <= requests / perMs) return other;
  return { requests, perMs };
}
