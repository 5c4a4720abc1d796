/** What a decision about a request is made from. */

/** As a `Map` has it: names in lower case; a header that came several times has its values in their order. */
export interface RequestHeaders {
  get(name: string): string | readonly string[] | undefined;
}

export interface RequestFacts {
  /** Who asks. A workload of the table fits; `uid` may be missing where it is not known. */
  readonly source: { readonly namespace: string; readonly uid?: string };
  /** Of the caller, as its certificate has it. */
  readonly identity?: string | undefined;
  /** Of a JWT that was verified; absent: none was. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** Key of the Service that was dialled, and its port. */
  readonly service: string;
  readonly port: number;
  readonly scheme: "http" | "https";
  /** As it came: methods are case-sensitive (RFC 9110 section 9.1). */
  readonly method: string;
  /** Path and query, as in the request line or `:path`. */
  readonly target: string;
  /** `Host` or `:authority`; "" when there is none (HTTP/1.0). */
  readonly authority: string;
  readonly headers: RequestHeaders;
  /** Both in [0, 1): which backend takes the request, and whether it is among those that are mirrored. Read where they decide. */
  readonly random: number;
  readonly mirrorRandom: number;
}

/**
 * The header's value; of one that came several times, the values with commas between (RFC 9110 section 5.3), cookies with
 * semicolons (RFC 9113 section 8.2.3). `Host` is the authority, whichever version of HTTP it came with.
 */
export function headerValue(facts: Pick<RequestFacts, "authority" | "headers">, name: string): string | undefined {
  if (name === "host") return facts.authority;
  const value = facts.headers.get(name);
  if (value === undefined || typeof value === "string") return value;
  return value.join(name === "cookie" ? "; " : ",");
}

export function isGrpc(facts: RequestFacts): boolean {
  return isGrpcType(headerValue(facts, "content-type"));
}

/** By the content type of a request (gRPC over HTTP/2, section Requests). */
export function isGrpcType(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc([+;]|$)/i.test(contentType);
}
