/**
 * What an agent knows of endpoints from having used them: `GET /endpoints?service=shop/catalog` of its admin port. It is
 * kept in each of its data workers, and for what was used lately only.
 */

export interface LiveEndpoints {
  readonly node: string;
  readonly service: string;
  readonly endpoints: readonly LiveEndpoint[];
}

/** One endpoint, as one data worker sees it. */
export interface LiveEndpoint {
  readonly worker: number;
  /** `shop/catalog:80`, with the name of the subset behind it where there is one. */
  readonly destination: string;
  /** Chosen for requests; else for connections. */
  readonly ofRequests: boolean;
  /** Key of the candidate: `shop/catalog-1:8080`. */
  readonly endpoint: string;
  readonly address: string;
  /** What it has of its weight now, while it grows again or others help out; absent: all. */
  readonly weightNow?: number;
  /** `probing`: one connection or request is finding out. */
  readonly state: "serving" | "ejected" | "probing";
  /** Of one that does not serve: how long until it may be tried. */
  readonly ejectedForMs?: number;
  /** It has asked to be left alone (Retry-After): for how much longer. */
  readonly pausedForMs?: number;
  readonly inFlight: number;
}
