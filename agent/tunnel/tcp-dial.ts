/**
 * Connects to another node's agent without waiting a second for the kernel to repeat a lost SYN: while an agent restarts
 * nobody answers, and the first SYN after that decides when the node serves again.
 *
 *   dialling --connected--> handed over
 *      | no answer: the next socket; after some quick ones with twice the patience (so that any round trip gets its chance)
 *      \--error, or tcpConnectMs in all--> failed
 */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import { timers } from "../limits.ts";
import { TunnelError } from "./tunnel-error.ts";

export interface TcpDialOptions {
  /** Opens a socket that connects. May throw. */
  readonly dial: () => Socket;
  readonly clock: Clock;
  /** The receiver owns the socket. */
  readonly onConnected: (socket: Socket) => void;
  readonly onFailed: (error: TunnelError) => void;
}

/** An agent that restarts is back within about a second: until then each SYN may be the one that finds it. */
const QUICK_TRIES = 8;

export class TcpDial {
  readonly #options: TcpDialOptions;
  #socket: Socket | undefined;
  #patience: Timer | undefined;
  #deadline: Timer | undefined;
  #over = false;

  constructor(options: TcpDialOptions) {
    this.#options = options;
  }

  start(): void {
    this.#deadline = this.#options.clock.after(timers.tcpConnectMs, () => this.#fail("no answer in time"));
    this.#try(1);
  }

  destroy(reason: string): void {
    this.#fail(reason);
  }

  #try(attempt: number): void {
    let socket: Socket;
    try {
      socket = this.#options.dial();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#socket?.destroy();
    this.#socket = socket;
    socket.on("error", (error) => {
      if (socket === this.#socket) this.#fail(error);
    });
    if (!socket.connecting) {
      this.#connected(socket);
      return;
    }
    socket.once("connect", () => {
      if (socket === this.#socket) this.#connected(socket);
    });
    const patienceMs = timers.synPatienceMs * 2 ** Math.max(0, attempt - QUICK_TRIES);
    this.#patience = this.#options.clock.after(patienceMs, () => this.#try(attempt + 1));
  }

  #connected(socket: Socket): void {
    if (this.#over) return;
    this.#end();
    this.#options.onConnected(socket);
  }

  #fail(cause: unknown): void {
    if (this.#over) return;
    this.#end();
    this.#socket?.destroy();
    const message = "Cannot reach port 15008 of the pod, check the agent of its node and NetworkPolicies";
    this.#options.onFailed(new TunnelError("tcp-connect-failed", `${message}: ${describeError(cause)}`));
  }

  #end(): void {
    this.#over = true;
    this.#patience?.cancel();
    this.#deadline?.cancel();
  }
}
