/** An answer as every version of HTTP has it, as far as it is known before its body; interim ones and 101 too. */
import type { Fields } from "./fields.ts";

export interface ResponseHead {
  readonly status: number;
  /** HTTP/2 has none. */
  readonly reason: string | undefined;
  /** Those for the far end; framing and connection fields are taken out. */
  readonly fields: Fields;
  /** False: the head is all. */
  readonly hasBody: boolean;
  /** Of the body when the server has said it, also of one that does not follow (HEAD, 304). */
  readonly length: number | undefined;
  /** Of a 101: what the connection is from now on. */
  readonly upgrade: string | undefined;
}
