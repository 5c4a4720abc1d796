/** The quotas of a table by name. Policies that name the same one agree how much it is (quota-values.ts). */
import type { Quota, RouteEntry } from "../../protocol/route-table.ts";

export function quotaTerms(routes: Iterable<RouteEntry>): ReadonlyMap<string, Quota> {
  const terms = new Map<string, Quota>();
  for (const { rules } of routes) {
    for (const { quotas = [] } of rules) for (const quota of quotas) terms.set(quota.name, quota);
  }
  return terms;
}
