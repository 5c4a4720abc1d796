/** Where a request goes, by which rule, and what is changed on the way: the decision, as the layers below need it. */
import type { HeaderChanges, RouteMirror, RouteRule, RouteTarget } from "../../protocol/route-table.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import type { ForwardRequest } from "../../routing/http/request-decision.ts";
import type { HttpFacts } from "./http-plane.ts";
import type { RequestHead } from "./request-head.ts";

export interface ForwardPlan {
  readonly target: RouteTarget;
  /** Of the client's session; the first try goes there. */
  readonly endpoint: Candidate | undefined;
  /** Undefined when no route has a say. */
  readonly rule: RouteRule | undefined;
  readonly authority: string;
  readonly path: string;
  readonly requestHeaders: readonly HeaderChanges[];
  readonly responseHeaders: readonly HeaderChanges[];
  readonly mirrors: readonly RouteMirror[];
}

const NONE: readonly never[] = [];

/** Without a decision (the route has just gone): to the Service that was dialled. */
export function planForward(decision: ForwardRequest | undefined, head: RequestHead, facts: HttpFacts): ForwardPlan {
  const authority = decision?.authority ?? head.authority;
  return {
    target: decision?.backend ?? { service: facts.service.key, port: facts.port },
    endpoint: decision?.endpoint,
    rule: decision?.by.rule,
    // HTTP/1.0 may name nobody; HTTP/1.1 may not.
    authority: authority === "" ? facts.dialled : authority,
    path: decision?.target ?? head.path,
    requestHeaders: decision?.requestHeaders ?? NONE,
    responseHeaders: decision?.responseHeaders ?? NONE,
    mirrors: decision?.mirrors ?? NONE,
  };
}
