/** What a decision about a request is made from: its head, who asks, what was dialled, and a share of chance. */
import type { RequestFacts } from "../../routing/http/request-facts.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import type { RequestHead } from "./request-head.ts";
import type { RequestRouter } from "./request-router.ts";

export interface AskedRequest {
  readonly plane: Pick<HttpPlane, "drawShare" | "random">;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
  readonly head: RequestHead;
}

export function factsOfRequest({ plane, facts, router, head }: AskedRequest): RequestFacts {
  return {
    source: facts.source.workload,
    identity: router.identity,
    service: facts.service.key,
    port: facts.port,
    scheme: head.scheme,
    method: head.method,
    target: head.path,
    authority: head.authority,
    headers: head.fields,
    random: plane.drawShare(),
    mirrorRandom: plane.random(),
  };
}
