/** The client's end of a lab's control socket: JSON lines, answers matched to calls by id, in any order. */
import { connect } from "node:net";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { HawserError } from "../../core/errors.ts";
import type { LabMethod, LabMethods } from "../lab-status.ts";

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class ControlConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  /** Resolves when the connection is lost or closed. */
  readonly ended: Promise<void>;
  #nextId = 1;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on("line", (line) => this.#answered(line));
    socket.on("error", () => {});
    this.ended = new Promise((resolve) => {
      socket.once("close", () => {
        this.#lost();
        resolve();
      });
    });
  }

  static open(path: string): Promise<ControlConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once("connect", () => resolve(new ControlConnection(socket)));
      socket.once("error", (cause) => {
        reject(new HawserError("lab-gone", `Cannot connect to the lab's control socket ${path}`, { cause }));
      });
    });
  }

  call<M extends LabMethod>(method: M, params: LabMethods[M]["params"]): Promise<LabMethods[M]["result"]> {
    if (this.#closed) return Promise.reject(lostError(method));
    const id = this.#nextId++;
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject: (error) => reject(error) });
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
    }) as Promise<LabMethods[M]["result"]>;
  }

  close(): void {
    this.#socket.destroy();
  }

  #answered(line: string): void {
    const answer = JSON.parse(line) as Answer;
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.error === undefined) waiting?.resolve(answer.result);
    else waiting?.reject(new HawserError("lab-refused", answer.error));
  }

  #lost(): void {
    this.#closed = true;
    for (const waiting of this.#waiting.values()) waiting.reject(lostError("the call"));
    this.#waiting.clear();
  }
}

function lostError(what: string): HawserError {
  return new HawserError("lab-gone", `The lab ended before it answered ${what}`);
}
