/**
 * Empties the packet rings of all nodes at a steady pace and lets one classifier judge what they hold. Which packets
 * count is the filter's choice (packet-filter.ts): each once.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { CONTROL_PORT } from "../../protocol/ports.ts";
import type { WireCaptureTarget } from "../lab-status.ts";
import { POLL_PERIOD_MS } from "./limits.ts";
import { outgoingOrFromPort } from "./packet-filter.ts";
import type { OnFrame } from "./packet-ring.ts";
import { PacketSocket } from "./packet-socket.ts";
import { WireClassifier } from "./wire-classifier.ts";
import type { DetailedWireSummary } from "./wire-summary.ts";

export interface UnderlayListenerOptions {
  readonly targets: readonly WireCaptureTarget[];
  /** CIDRs of the pods of all nodes. */
  readonly podCidrs: readonly string[];
  readonly otherTlsPorts?: readonly number[];
  readonly clock: Clock;
  /** Nothing is heard any more. */
  readonly onError: (error: unknown) => void;
}

export class UnderlayListener implements Disposable {
  readonly #options: UnderlayListenerOptions;
  readonly #classifier: WireClassifier;
  readonly #sockets: PacketSocket[] = [];
  readonly #onFrame: OnFrame = (frame, timeMs) => this.#classifier.frame(frame, timeMs);
  #timer: Timer | undefined;

  constructor(options: UnderlayListenerOptions) {
    this.#options = options;
    this.#classifier = new WireClassifier(options);
  }

  /** Throws HawserError `capture-failed` when one of the targets cannot be heard. */
  start(): void {
    const filter = outgoingOrFromPort(CONTROL_PORT);
    for (const { pausePid, uplink } of this.#options.targets) {
      this.#sockets.push(PacketSocket.open({ pid: pausePid, interfaceName: uplink, filter }));
    }
    this.#timer = this.#options.clock.every(POLL_PERIOD_MS, () => this.#poll());
  }

  /** Judges everything that the kernel has handed over. */
  drain(): void {
    // In turn, a block at a time: no ring runs over while another is emptied.
    while (this.#sockets.map((socket) => socket.readBlock(this.#onFrame)).includes(true)) {}
  }

  summary(): DetailedWireSummary {
    const droppedPackets = this.#sockets.reduce((sum, socket) => sum + socket.droppedPackets(), 0);
    return { ...this.#classifier.summary(), droppedPackets };
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    for (const socket of this.#sockets.splice(0)) socket[Symbol.dispose]();
  }

  #poll(): void {
    try {
      this.drain();
    } catch (error) {
      this.#timer?.cancel();
      this.#options.onError(error);
    }
  }
}
