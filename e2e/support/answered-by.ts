/** Pod -> requests that it answered. */
import type { HttpOutcome } from "../pods/http-requests.ts";

export function answeredBy(outcomes: readonly HttpOutcome[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { seen } of outcomes) if (seen !== undefined) counts[seen.pod] = (counts[seen.pod] ?? 0) + 1;
  return counts;
}
