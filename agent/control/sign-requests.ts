/**
 * Certificate requests under way on the channel: pairs answers with questions, and ends every question, by an answer, a
 * timeout or the loss of the channel.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import type { CertificateMessage, SignMessage, SignRefusedMessage } from "../../protocol/channel.ts";
import { controlLimits } from "./limits.ts";

export type SignErrorCode = "channel-closed" | "sign-refused" | "sign-timeout" | "too-many-requests";
export class SignError extends HawserError<SignErrorCode> {}

export interface SignAnswer {
  /** PEM: the leaf, then intermediates. */
  readonly chain: string;
  /** PEM: every root to trust. */
  readonly roots: string;
}

interface Pending {
  readonly resolve: (answer: SignAnswer) => void;
  readonly reject: (error: SignError) => void;
  readonly timer: Timer;
}

export class SignRequests {
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `send` returns false when there is no channel. */
  request(csr: string, send: (message: SignMessage) => boolean): Promise<SignAnswer> {
    if (this.#pending.size >= controlLimits.pendingSignRequests) {
      return Promise.reject(new SignError("too-many-requests", "Too many certificate requests are without an answer"));
    }
    const requestId = this.#nextId++;
    if (!send({ kind: "sign", requestId, csr })) {
      return Promise.reject(new SignError("channel-closed", "No channel to a controller is open"));
    }
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(controlLimits.signMs, () => {
        this.#pending.delete(requestId);
        reject(new SignError("sign-timeout", `Controller did not answer within ${controlLimits.signMs} ms`));
      });
      this.#pending.set(requestId, { resolve, reject, timer });
    });
  }

  /** An answer to a question nobody asked (or no longer) is ignored. */
  answer(message: CertificateMessage | SignRefusedMessage): void {
    const pending = this.#pending.get(message.requestId);
    if (pending === undefined) return;
    this.#pending.delete(message.requestId);
    pending.timer.cancel();
    if (message.kind === "certificate") pending.resolve({ chain: message.chain, roots: message.roots });
    else pending.reject(new SignError("sign-refused", `Controller refused: ${message.reason}`));
  }

  rejectAll(): void {
    for (const { reject, timer } of this.#pending.values()) {
      timer.cancel();
      reject(new SignError("channel-closed", "Channel was lost before the controller answered"));
    }
    this.#pending.clear();
  }
}
