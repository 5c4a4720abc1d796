/** How many requests an nginx has answered, from the text of its stub_status. */
import { HawserError } from "../../core/errors.ts";

export function parseRequests(text: string): number {
  // The line below "server accepts handled requests" has the three numbers.
  const requests = /accepts handled requests\s+\d+ \d+ (\d+)/.exec(text)?.[1];
  if (requests === undefined) throw new HawserError("no-figures", `nginx's status has no requests: ${text}`);
  return Number(requests);
}
