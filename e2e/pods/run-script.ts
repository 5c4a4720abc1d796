/**
 * Plays a script on a TCP connection and writes down what happened, for scripted-server.ts and scripted-client.ts.
 *
 * Steps: `send <bytes>`, `end` (FIN), `reset` (RST), `wait <ms>`, `read <bytes>` (until that many have come in all),
 * `read-to-end`. A connection that the script leaves open stays open, and is watched, until the peer ends it.
 */
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { SeededBytes } from "./seeded-bytes.ts";

export interface ScriptTranscript {
  /** `address port`, as this side sees them. */
  readonly local: string;
  readonly remote: string;
  readonly sentBytes: number;
  readonly sentSha256: string;
  readonly receivedBytes: number;
  readonly receivedSha256: string;
  /** How the peer ended its direction: `open` = not yet, `end` = with FIN, or an error such as `ECONNRESET`. */
  readonly ending: string;
  /** Steps done. */
  readonly steps: number;
}

/** The socket must be connected and not have been read; it needs allowHalfOpen. */
export class Script {
  readonly #socket: Socket;
  readonly #steps: readonly string[];
  readonly #local: string;
  readonly #remote: string;
  readonly #bytes = new SeededBytes("script");
  readonly #sentHash = createHash("sha256");
  readonly #receivedHash = createHash("sha256");
  #sent = 0;
  #received = 0;
  #done = 0;
  #ending = "open";
  #wake: () => void = () => {};

  constructor(socket: Socket, steps: readonly string[]) {
    this.#socket = socket;
    this.#steps = steps;
    this.#local = `${plain(socket.localAddress)} ${socket.localPort}`;
    this.#remote = `${plain(socket.remoteAddress)} ${socket.remotePort}`;
    socket.on("data", (chunk: Buffer) => {
      this.#received += chunk.length;
      this.#receivedHash.update(chunk);
      this.#wake();
    });
    socket.on("end", () => this.#over("end"));
    socket.on("error", (error: NodeJS.ErrnoException) => this.#over(error.code ?? error.message, true));
    socket.on("close", () => this.#over("closed"));
  }

  get transcript(): ScriptTranscript {
    return {
      local: this.#local,
      remote: this.#remote,
      sentBytes: this.#sent,
      sentSha256: this.#sentHash.copy().digest("hex"),
      receivedBytes: this.#received,
      receivedSha256: this.#receivedHash.copy().digest("hex"),
      ending: this.#ending,
      steps: this.#done,
    };
  }

  /** Resolves when the script is through, or the connection broke. */
  async run(): Promise<ScriptTranscript> {
    for (const step of this.#steps) {
      const [verb = "", number = "0"] = step.split(" ");
      await this.#play(verb, Number(number));
      if (this.#socket.destroyed && verb !== "reset") break;
      this.#done += 1;
    }
    return this.transcript;
  }

  async #play(verb: string, number: number): Promise<void> {
    if (verb === "send") await this.#send(number);
    else if (verb === "end") this.#socket.end();
    else if (verb === "reset") this.#socket.resetAndDestroy();
    else if (verb === "wait") await new Promise((resolve) => setTimeout(resolve, number));
    else if (verb === "read") await this.#until(() => this.#received >= number);
    else if (verb === "read-to-end") await this.#until(() => false);
    else throw new Error(`Unknown step: ${verb}`);
  }

  async #send(length: number): Promise<void> {
    const end = this.#sent + length;
    while (this.#sent < end && !this.#socket.destroyed) {
      const block = this.#bytes.slice(this.#sent, end - this.#sent);
      this.#sent += block.length;
      this.#sentHash.update(block);
      await new Promise<void>((resolve) => void this.#socket.write(block, () => resolve()));
    }
  }

  /** Until then, or until the peer's direction has ended. */
  async #until(done: () => boolean): Promise<void> {
    while (!done() && this.#ending === "open") await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** An error after a FIN is still news; anything else after the first ending is its consequence. */
  #over(ending: string, isError = false): void {
    if (this.#ending === "open" || (isError && this.#ending === "end")) this.#ending = ending;
    this.#wake();
  }
}

/** ::ffff:10.0.0.1 -> 10.0.0.1 */
function plain(address = ""): string {
  return address.replace(/^::ffff:/, "");
}
