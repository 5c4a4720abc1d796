/** What a decision about a request is made from: its head, who asks, what was dialled, and a share of chance. */
import type { RequestFacts } from "../../routing/http/request-facts.ts";
import type { WorkloadEntry } from "../../protocol/table.ts";
import type { Fields } from "./fields.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import type { RequestHead } from "./request-head.ts";
import type { RequestRouter } from "./request-router.ts";

export interface AskedRequest {
  readonly plane: Pick<HttpPlane, "drawShare" | "random">;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
  readonly head: RequestHead;
}

export class FactsOfRequest implements RequestFacts {
  readonly source: WorkloadEntry;
  readonly identity: string | undefined;
  readonly service: string;
  readonly port: number;
  readonly scheme: "http" | "https";
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly headers: Fields;
  readonly #plane: AskedRequest["plane"];
  #random: number | undefined;
  #mirrorRandom: number | undefined;

  constructor({ plane, facts, router, head }: AskedRequest) {
    this.source = facts.source.workload;
    this.identity = router.identity;
    this.service = facts.service.key;
    this.port = facts.port;
    this.scheme = head.scheme;
    this.method = head.method;
    this.target = head.path;
    this.authority = head.authority;
    this.headers = head.fields;
    this.#plane = plane;
  }

  get random(): number {
    this.#random ??= this.#plane.drawShare();
    return this.#random;
  }

  get mirrorRandom(): number {
    this.#mirrorRandom ??= this.#plane.random();
    return this.#mirrorRandom;
  }

  /** The next request like this may be decided otherwise. */
  get isLeftToChance(): boolean {
    return this.#random !== undefined || this.#mirrorRandom !== undefined;
  }
}
