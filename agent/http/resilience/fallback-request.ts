/**
 * What a request gets instead of an error, by its rule's `fallback`: the next of these that can be had, each once.
 *
 *   backend    another Service, while the body is kept; without the rule's retries
 *   lastGood   the last good answer to the same GET
 *   response   as the policy has written it
 *
 * gRPC calls get another backend only: an HTTP answer would be none to them. What their server says in `grpc-status` counts
 * as the status that HTTP has for it, where it is said before anything else.
 */
import type { Fallback, RouteRule, RouteTarget } from "../../../protocol/route-table.ts";
import { Fields } from "../fields.ts";
import { Forwarding } from "../forwarding.ts";
import { timeBoundOf } from "../grpc/deadline.ts";
import { isGrpc } from "../grpc/is-grpc.ts";
import type { WholeAnswer } from "../own-answer.ts";
import { ReplayBuffer } from "../replay-buffer.ts";
import type { CarrierOptions, RequestCarrier } from "../request-carrier.ts";
import type { ResponseHead } from "../response-head.ts";
import type { AnswerRecorder, AskedTwice, GoodAnswer } from "./last-good-answers.ts";

/** Their heads end the answer (RFC 9110 section 6.4.1). */
const BODILESS: ReadonlySet<number> = new Set([204, 304]);

export type Instead =
  /** Not started; it has what came of the body. */
  | { readonly what: string; readonly carrier: RequestCarrier; readonly backend: RouteTarget }
  | { readonly what: string; readonly answer: WholeAnswer; readonly carrier?: undefined };

export class FallbackRequest {
  readonly #options: CarrierOptions;
  readonly #fallback: Fallback;
  readonly #replay = new ReplayBuffer();
  readonly #left: (() => Instead | undefined)[];
  #recorder: AnswerRecorder | undefined;
  #isUsed = false;

  constructor(options: CarrierOptions, fallback: Fallback) {
    this.#options = options;
    this.#fallback = fallback;
    this.#left = [() => this.#otherBackend(), () => this.#lastGood(), () => this.#response()];
  }

  get policy(): string {
    return this.#fallback.policy;
  }

  /** What the client gets is not what its request led to. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  requestBody(content: Buffer): void {
    this.#replay.keep(content);
    if (this.#replay.isFull) this.#replay.giveUp();
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#replay.end(trailers);
  }

  /** Undefined: the client gets the error. */
  instead(status: number): Instead | undefined {
    if (!this.#fallback.on.includes(status)) return undefined;
    for (let next = this.#left.shift(); next !== undefined; next = this.#left.shift()) {
      const found = next();
      if (found === undefined) continue;
      this.#isUsed = true;
      return found;
    }
    return undefined;
  }

  /** An answer goes to the client, and is one for later. As the server sent it. */
  answered(head: ResponseHead): void {
    this.#replay.giveUp();
    if (this.#fallback.lastGoodMs === undefined || this.#isUsed) return;
    this.#recorder = this.#options.plane.lastGood.record(this.#asked, head);
  }

  answerBody(content: Buffer): void {
    this.#recorder?.body(content);
  }

  answerEnd(): void {
    this.#recorder?.end();
  }

  #otherBackend(): Instead | undefined {
    const { backend } = this.#fallback;
    if (backend === undefined || !this.#replay.isComplete) return undefined;
    const { plan } = this.#options;
    const changed = { ...plan, target: backend, rule: withoutTries(plan.rule), endpoint: undefined, mirrors: [] };
    const carrier = new Forwarding({ ...this.#options, plan: changed, deadlineMs: this.#deadlineMs });
    for (const content of this.#replay.chunks) carrier.requestBody(content);
    if (this.#replay.isEnded) carrier.requestEnd(this.#replay.trailers);
    this.#replay.giveUp();
    return { what: `backend ${backend.service}:${backend.port}`, carrier, backend };
  }

  /** The request's time once more, from now on. */
  get #deadlineMs(): number | undefined {
    const { plane, plan, head } = this.#options;
    const bound = timeBoundOf(head, plan.rule);
    return bound?.isTold === true ? plane.clock.monotonicMs() + bound.ms : undefined;
  }

  #lastGood(): Instead | undefined {
    const { lastGoodMs } = this.#fallback;
    const found = lastGoodMs === undefined ? undefined : this.#options.plane.lastGood.find(this.#asked, lastGoodMs);
    return found === undefined ? undefined : { what: "the last good answer", answer: wholeAnswer(found) };
  }

  #response(): Instead | undefined {
    const { response } = this.#fallback;
    if (response === undefined || isGrpc(this.#options.head)) return undefined;
    const fields = new Fields();
    for (const [name, value] of response.headers) fields.add(name, value);
    fields.add("server", "hawser");
    fields.add("date", new Date(this.#options.plane.clock.nowMs()).toUTCString());
    const { status, body } = response;
    return {
      what: "its response",
      answer: wholeAnswer({ status, reason: undefined, fields, body: Buffer.from(body) }),
    };
  }

  /** Callers of other identities may get other answers. */
  get #asked(): AskedTwice {
    const { plan, head, facts } = this.#options;
    const identity = facts.table.identityOf(facts.source.workload);
    const parts = [plan.rule?.route, plan.rule?.index, this.#fallback.scope, identity, plan.authority, plan.path];
    return { key: parts.join("\n"), method: head.method, fields: head.fields };
  }
}

function wholeAnswer({ status, reason, fields, body }: GoodAnswer): WholeAnswer {
  const mayHaveBody = !BODILESS.has(status);
  const hasBody = mayHaveBody && body.length > 0;
  const head = { status, reason, fields, hasBody, length: mayHaveBody ? body.length : undefined, upgrade: undefined };
  return { head, body: hasBody ? body : undefined };
}

/** Timeouts hold, and whatever else is about a single try. */
function withoutTries(rule: RouteRule | undefined): RouteRule | undefined {
  if (rule === undefined) return undefined;
  const { retry: _, ...rest } = rule;
  return rest;
}
