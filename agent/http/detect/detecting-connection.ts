/**
 * A pod's connection to a Service with routes whose port says nothing about its protocol, until somebody speaks.
 *
 *   waiting --client's bytes: HTTP-----------------> serveHttp(bytes)
 *      |    --client's bytes: anything else--------> relayBytes(bytes)
 *      |    --too few to tell, and then none-------> serveHttp(bytes): its timers and its parser judge them
 *      \-- silence: it may be the server's turn ---> relayBytes(), where it is watched who speaks first
 */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../../core/clock.ts";
import type { CloseReason } from "../../relay/relay.ts";
import { resetSocket, resetWhenClosed } from "../../sockets/reset-socket.ts";
import type { ConnectionRegistry, LiveConnection } from "../../worker/connection-registry.ts";
import { httpTimers } from "../limits.ts";
import { type FirstBytes, recogniseFirstBytes } from "./first-bytes.ts";

export interface DetectingOptions {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly connections: ConnectionRegistry;
  /** Whose share of the bounds it is. */
  readonly sourceAddress: string;
  readonly serveHttp: (first: Buffer) => void;
  /** `what` is undefined when the client has said nothing. */
  /** The client is gone, or was made to go. */
  readonly lost: (detail: string) => void;
  readonly relayBytes: (first: Buffer | undefined, what: Exclude<FirstBytes, "http"> | undefined) => void;
}

export class DetectingConnection implements LiveConnection {
  readonly #options: DetectingOptions;
  #held: Buffer | undefined;
  #timer: Timer | undefined;
  readonly #listeners = {
    data: (chunk: Buffer): void => this.#read(chunk),
    // Nothing more comes of the client: whatever this is, the endpoint may know.
    end: (): void => this.#relay(this.#held === undefined ? undefined : "bytes"),
    error: (error: Error): void => this.#lost(error.message),
    close: (): void => this.#lost("closed before anybody spoke"),
  };

  constructor(options: DetectingOptions) {
    this.#options = options;
  }

  start(): void {
    const { socket, clock, connections, sourceAddress } = this.#options;
    connections.add(this, sourceAddress);
    resetWhenClosed(socket, true);
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
    this.#timer = clock.after(httpTimers.firstByteMs, () => this.#waited());
  }

  get heldBytes(): number {
    return this.#held?.length ?? 0;
  }

  /** It has a timer of its own, which is shorter than a sweep. */
  sweep(): void {}

  abort(reason: CloseReason, detail?: string): void {
    this.#lost(detail ?? reason);
  }

  #read(chunk: Buffer): void {
    const first = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = first;
    const what = recogniseFirstBytes(first);
    if (what === "http") this.#serve();
    else if (what !== undefined) this.#relay(what);
  }

  #waited(): void {
    if (this.#held === undefined) this.#relay(undefined);
    else this.#serve();
  }

  #serve(): void {
    this.#letGo();
    this.#options.serveHttp(this.#held as Buffer);
  }

  #relay(what: Exclude<FirstBytes, "http"> | undefined): void {
    this.#letGo();
    this.#options.relayBytes(this.#held, what);
  }

  #lost(detail: string): void {
    const { socket, lost } = this.#options;
    this.#letGo();
    lost(detail);
    socket.on("error", () => {});
    resetSocket(socket);
  }

  #letGo(): void {
    const { socket, connections } = this.#options;
    this.#timer?.cancel();
    for (const [event, listener] of Object.entries(this.#listeners)) socket.off(event, listener);
    connections.remove(this);
  }
}
