/**
 * An application's end of a connection that says its bytes in pieces of any size, and hears those of the other end at its
 * leisure.
 *
 *   say      head -> pieces, with pauses -> FIN, or a reset after so many
 *   hear     (a head that is thrown away) -> bytes, each looked at -> FIN, or a reset
 */
import type { Socket } from "node:net";
import { resetSocket } from "../../../agent/sockets/reset-socket.ts";
import type { Moods } from "./moods.ts";
import { PlacedBytes } from "./placed-bytes.ts";

export interface Speech {
  /** Whose bytes they are. */
  readonly number: number;
  readonly length: number;
  /** The connection is reset instead of ended once so much of it was said. */
  readonly resetAfter?: number | undefined;
}

export interface TalkingEndOptions {
  readonly moods: Moods;
  readonly says: Speech;
  readonly hears: Speech;
  /** Goes before what it says. */
  readonly head?: string;
  /** What comes begins with a head of HTTP, which is no part of it. FIN waits for it. */
  readonly hearsHead?: boolean;
}

/** A piece that is written at once. */
const MOST_PIECE_BYTES = 1024 * 1024;
const PAUSE_MS = 20;
/** Long enough for every buffer on the way to fill up. */
const LONG_PAUSE_MS = 150;
const HEAD_END = "\r\n\r\n";

export class TalkingEnd {
  heard = 0;
  /** It has said everything, and FIN. */
  hasEnded = false;
  hasHeardEnd = false;
  error: string | undefined;
  /** The head that came says no to what its own asked for. */
  isRefused = false;
  /** What was heard that was never said there. */
  wrong: string | undefined;
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #options: TalkingEndOptions;
  readonly #expected: PlacedBytes;
  #head: Buffer | undefined;
  #headCame: () => void = () => {};

  constructor(socket: Socket, options: TalkingEndOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#expected = new PlacedBytes(options.hears.number);
    this.#head = options.hearsHead === true ? Buffer.alloc(0) : undefined;
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.once("end", () => {
      this.hasHeardEnd = true;
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => resolve());
    });
  }

  /** Resolves when the connection is gone. */
  async talk(): Promise<void> {
    void this.#hear();
    await this.#say();
    await this.closed;
  }

  async #say(): Promise<void> {
    const { says, moods, head } = this.#options;
    const bytes = new PlacedBytes(says.number);
    const end = says.resetAfter ?? says.length;
    if (head !== undefined) this.#socket.write(head);
    for (let at = 0; at < end && !this.#socket.destroyed; ) {
      await moods.pause(PAUSE_MS);
      const piece = bytes.slice(at, Math.min(end - at, moods.upTo(MOST_PIECE_BYTES)));
      at += piece.length;
      if (!this.#socket.write(piece)) await this.#drained();
    }
    if (says.resetAfter !== undefined) {
      // Not `resetAndDestroy`, which says FIN first.
      resetSocket(this.#socket);
      return;
    }
    if (this.#head !== undefined) await Promise.race([this.#whenHeadCame(), this.closed]);
    if (!this.#socket.destroyed) {
      this.hasEnded = true;
      this.#socket.end();
    }
  }

  async #drained(): Promise<void> {
    const drained = new Promise<void>((resolve) => {
      this.#socket.once("drain", resolve);
    });
    await Promise.race([drained, this.closed]);
  }

  async #hear(): Promise<void> {
    const { moods } = this.#options;
    if (moods.chance(0.2)) await moods.pause(LONG_PAUSE_MS);
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  #read(chunk: Buffer): void {
    const { moods } = this.#options;
    const bytes = this.#head === undefined ? chunk : this.#behindHead(chunk);
    if (this.isRefused) return;
    const wrong = this.#expected.firstWrong(bytes, this.heard);
    if (wrong !== undefined) this.wrong ??= `byte ${wrong} is not what was said`;
    this.heard += bytes.length;
    if (!moods.chance(0.08)) return;
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), moods.random() * (moods.chance(0.1) ? LONG_PAUSE_MS : PAUSE_MS));
  }

  #whenHeadCame(): Promise<void> {
    return new Promise((resolve) => {
      this.#headCame = resolve;
    });
  }

  #behindHead(chunk: Buffer): Buffer {
    const head = Buffer.concat([this.#head ?? Buffer.alloc(0), chunk]);
    const end = head.indexOf(HEAD_END);
    this.#head = end < 0 ? head : undefined;
    if (end >= 0) {
      this.isRefused = !head.subarray(0, end).includes(" 101 ");
      this.#headCame();
    }
    return end < 0 ? Buffer.alloc(0) : head.subarray(end + HEAD_END.length);
  }
}
