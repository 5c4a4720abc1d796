/**
 * The last good answer to each GET of rules that have `fallback.lastGood`, shown again while the backend fails. No cache: it
 * answers nothing that the backend could answer itself.
 *
 *   answer arrives --200, small, for anyone--> recorder: keeps it when it is complete
 *   backend fails  --same request, young enough--> answer with its `age`
 *
 * Bounded by bytes and number, the longest unasked goes first. Kept per data worker.
 */
import type { Clock } from "../../../core/clock.ts";
import { ByteQueue } from "../../http2/byte-queue.ts";
import type { Fields } from "../fields.ts";
import { httpLimits } from "../limits.ts";
import { isShownLater, mayShare, type NominatedFields, nominatedFields, saysTheSame } from "./shared-answers.ts";

export interface GoodAnswer {
  readonly status: number;
  readonly reason: string | undefined;
  /** As the server sent them. */
  readonly fields: Fields;
  readonly body: Buffer;
}

export interface AskedTwice {
  /** Everything that makes two requests equal but their fields. */
  readonly key: string;
  readonly method: string;
  readonly fields: Fields;
}

interface Kept extends GoodAnswer {
  readonly nominated: NominatedFields;
  readonly keptMs: number;
  readonly bytes: number;
}

/** Takes an answer's body as it passes. */
export interface AnswerRecorder {
  /** Lent. */
  body(content: Buffer): void;
  /** The answer was complete. */
  end(): void;
}

const OK = 200;
/** What an entry costs besides its texts, about. */
const ENTRY_BYTES = 1_000;

export class LastGoodAnswers {
  readonly #clock: Clock;
  readonly #onLimit: (name: "lastGoodAnswers" | "lastGoodBytes" | "lastGoodAnswerBytes") => void;
  /** In order of their use, the longest unused first. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(clock: Clock, onLimit: (name: "lastGoodAnswers" | "lastGoodBytes" | "lastGoodAnswerBytes") => void) {
    this.#clock = clock;
    this.#onLimit = onLimit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Not older than `maxAgeMs`. With `age` as RFC 9111 section 5.1 has it. */
  find({ key, method, fields }: AskedTwice, maxAgeMs: number): GoodAnswer | undefined {
    if (!mayShare({ method, fields }, [])) return undefined;
    const kept = this.#kept.get(key);
    if (kept === undefined || !saysTheSame(kept.nominated, fields)) return undefined;
    const heldMs = this.#clock.monotonicMs() - kept.keptMs;
    if (heldMs > maxAgeMs) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const shown = kept.fields.copy();
    shown.set("age", String(ageSeconds(kept.fields) + Math.floor(heldMs / 1_000)));
    return { status: kept.status, reason: kept.reason, fields: shown, body: kept.body };
  }

  /** Undefined: such an answer is not kept. */
  record(
    asked: AskedTwice,
    answer: { readonly status: number; readonly reason: string | undefined; readonly fields: Fields },
  ): AnswerRecorder | undefined {
    if (answer.status !== OK || !mayShare(asked, []) || !isShownLater(answer.fields)) return undefined;
    // Filters change fields on their way: these are the server's, and the client's.
    const fields = answer.fields.copy();
    const nominated = nominatedFields(fields, asked.fields);
    const kept = new ByteQueue();
    let isTooLarge = false;
    return {
      body: (content) => {
        if (isTooLarge) return;
        if (kept.bytes + content.length <= httpLimits.lastGoodAnswerBytes) {
          kept.push(Buffer.from(content));
          return;
        }
        isTooLarge = true;
        kept.clear();
        this.#onLimit("lastGoodAnswerBytes");
      },
      end: () => {
        if (isTooLarge) return;
        // A copy: chunks are parts of larger buffers, which they would keep alive.
        const body = Buffer.concat(kept.chunks);
        const { status, reason } = answer;
        const bytes = ENTRY_BYTES + asked.key.length + body.length + textLength(fields);
        const keptMs = this.#clock.monotonicMs();
        this.#keep(asked.key, { status, reason, fields, body, nominated, keptMs, bytes });
      },
    };
  }

  #keep(key: string, kept: Kept): void {
    this.#forget(key);
    this.#kept.set(key, kept);
    this.#bytes += kept.bytes;
    while (this.#bytes > httpLimits.lastGoodBytes) this.#forgetOldest("lastGoodBytes");
    while (this.#kept.size > httpLimits.lastGoodAnswers) this.#forgetOldest("lastGoodAnswers");
  }

  #forgetOldest(limit: "lastGoodAnswers" | "lastGoodBytes"): void {
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#forget(oldest);
    this.#onLimit(limit);
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }
}

function textLength({ names, values }: Fields): number {
  return names.reduce((sum, name, index) => sum + name.length + (values[index]?.length ?? 0), 0);
}

/** Of an answer that a cache on the way has had before us. */
function ageSeconds(fields: Fields): number {
  const age = Number(fields.get("age") ?? 0);
  return Number.isInteger(age) && age >= 0 ? age : 0;
}
