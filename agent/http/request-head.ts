/**
 * A request as every version of HTTP has it, as far as it is known before its body. Who reads a version makes it, who
 * writes one frames it anew: nothing here says how it came or how it leaves.
 */
import type { Fields } from "./fields.ts";

export interface RequestHead {
  /** Of HTTP, that the client speaks. */
  readonly version: 1 | 2;
  readonly method: string;
  readonly scheme: "http" | "https";
  /** Whom the request is for. Empty when it names nobody, which HTTP/1.0 may. */
  readonly authority: string;
  /** Path and query as they came, or `*`. */
  readonly path: string;
  /** Those for the far end; framing and connection fields are taken out. The same in every try: read only. */
  readonly fields: Fields;
  /** False: the head is all. */
  readonly hasBody: boolean;
  /** Of the body, when the client has said it. */
  readonly length: number | undefined;
  /** Protocol that the client offers to go over to. */
  readonly upgrade: string | undefined;
  /** The client waits for 100 before it sends the body. */
  readonly expectsContinue: boolean;
  /** The client reads trailers. */
  readonly trailersWanted: boolean;
  /** Of one that came before over the same connection, byte for byte the same: one object for all that do. */
  readonly repeats?: object | undefined;
}
