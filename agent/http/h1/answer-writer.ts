/**
 * Frames the answers of one client's connection, one after the other, for what each client understands; and knows whether
 * another request can follow.
 */
import { STATUS_CODES } from "node:http";
import type { Fields } from "../fields.ts";
import { httpLimits } from "../limits.ts";
import type { WholeAnswer } from "../own-answer.ts";
import type { ResponseHead } from "../response-head.ts";
import { BodyWriter } from "./body-writer.ts";
import { type Framing, framingFor, NO_BODY } from "./framing.ts";
import type { MessageTarget } from "./message-target.ts";
import type { H1RequestHead } from "./request-head.ts";
import { writeResponseHead } from "./write-head.ts";

const CONTINUE = 100;
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;
const EMPTY: Framing = { body: "none", length: 0 };
/** HTTP/1.0 has no chunks. */
const UNTIL_CLOSE: Framing = { body: "until-close", length: undefined };

export class AnswerWriter {
  readonly #target: MessageTarget;
  readonly #body: BodyWriter;
  #request: H1RequestHead | undefined;
  #requestEnded = false;
  /** The client was told to go on with its body. */
  #isContinued = false;
  #keepOpen = false;

  constructor(target: MessageTarget) {
    this.#target = target;
    this.#body = new BodyWriter(target);
  }

  /** What follows is about this request, or about something that is none. */
  begin(request: H1RequestHead | undefined): void {
    this.#request = request;
    this.#requestEnded = false;
    this.#isContinued = false;
    this.#keepOpen = false;
  }

  requestEnded(): void {
    this.#requestEnded = true;
  }

  /** RFC 9110 section 15.2: passed on, but not to HTTP/1.0, which knows none. */
  interim({ status, reason = phraseOf(status), fields }: ResponseHead): boolean {
    if (this.#request?.minor === 0) return true;
    if (status === CONTINUE) this.#isContinued = true;
    return this.#target.writeText(writeResponseHead({ status, reason, fields, framing: NO_BODY }));
  }

  /** `isLeaving`: no request is taken after this one. */
  head(response: ResponseHead, isLeaving: boolean): void {
    const { status, reason = phraseOf(status), fields } = response;
    const framing = this.#framingFor(response);
    // Said now: a client that hears of the end only when it comes may have sent its next request by then.
    this.#keepOpen =
      this.#request?.keepAlive === true && !isLeaving && this.#isRestSmall && framing.body !== "until-close";
    const connection = this.#connectionFor(this.#keepOpen);
    this.#body.begin(writeResponseHead({ status, reason, fields, framing, connection }), framing.body);
  }

  body(content: Buffer): boolean {
    return this.#body.write(content);
  }

  /** True: another request may follow, after what is left of this one. */
  end(trailers: Fields | undefined): boolean {
    this.#body.end(trailers);
    return this.#keepOpen;
  }

  /** An answer of ours. True: another request may follow, after what is left of this one. */
  whole({ head, body }: WholeAnswer, isLeaving: boolean): boolean {
    const { status, reason = phraseOf(status), fields, length } = head;
    const keepOpen = this.#request?.keepAlive === true && !isLeaving && this.#isRestSmall;
    const framing: Framing = { body: "none", length: status === NO_CONTENT ? undefined : length };
    const text = writeResponseHead({ status, reason, fields, framing, connection: this.#connectionFor(keepOpen) });
    this.#target.writeText(text);
    if (body !== undefined && this.#request?.method !== "HEAD") this.#target.write(body);
    return keepOpen;
  }

  /** A 101: what follows is not HTTP. */
  upgrade({ status, reason = phraseOf(status), fields, upgrade }: ResponseHead): void {
    this.#target.writeText(writeResponseHead({ status, reason, fields, framing: NO_BODY, upgrade }));
  }

  #framingFor(response: ResponseHead): Framing {
    const framing = framingFor(response);
    // In HTTP/2 an end without a body needs no length; here, without one, the client would wait for the connection's end.
    if (framing === NO_BODY && this.#mayHaveBody(response.status)) return EMPTY;
    return framing.body === "chunked" && this.#request?.minor === 0 ? UNTIL_CLOSE : framing;
  }

  #mayHaveBody(status: number): boolean {
    return status !== NO_CONTENT && status !== NOT_MODIFIED && this.#request?.method !== "HEAD";
  }

  /** What is said about the connection: nothing when the client expects it so. */
  #connectionFor(keepOpen: boolean): "close" | "keep-alive" | undefined {
    if (!keepOpen) return "close";
    return this.#request?.minor === 0 ? "keep-alive" : undefined;
  }

  /** What is still to come of the request can be read and thrown away. */
  get #isRestSmall(): boolean {
    if (this.#requestEnded) return true;
    const { body, length = 0 } = this.#request?.framing ?? NO_BODY;
    return body === "none" || (body === "length" && length <= httpLimits.discardedBytes && !this.#mayWithholdBody);
  }

  /** A client that waits for 100 may send the body or not, once it has its answer: nobody can tell what comes next. */
  get #mayWithholdBody(): boolean {
    return this.#request?.expectsContinue === true && !this.#isContinued && !this.#requestEnded;
  }
}

function phraseOf(status: number): string {
  return STATUS_CODES[status] ?? "";
}
