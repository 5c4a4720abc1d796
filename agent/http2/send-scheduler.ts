/**
 * Which stream's data goes next: one frame each in turn, so that a bulk transfer holds up a small call by a frame per
 * other stream and not by its whole queue.
 *
 * In the ring are streams that have data and room in their own window. When the connection's window is used up they
 * stay where they are.
 */
import { DEFAULT_FRAME_BYTES, DEFAULT_WINDOW_BYTES, FRAME_HEADER_BYTES } from "./frame-format.ts";
import type { FrameBuffer } from "./frame-buffer.ts";
import type { Http2Bounds } from "./http2-bounds.ts";

export interface Sender {
  /** The scheduler's: links of the ring. */
  nextSender: Sender | undefined;
  isScheduled: boolean;
  /** There is data, and room in the stream's window. */
  readonly canSend: boolean;
  /** Writes one DATA frame of at most so many bytes, which is at least one; returns how many. */
  writeData(out: FrameBuffer, maxBytes: number): number;
}

/** Less room than this at the end of a flush is left: the next one follows at once. */
const LEAST_ROOM_BYTES = 1_024;

type SchedulerBounds = Pick<Http2Bounds, "dataFrameBytes" | "flushBytes">;

export class SendScheduler {
  /** What the peer takes on the whole connection. */
  windowBytes = DEFAULT_WINDOW_BYTES;
  readonly #bounds: SchedulerBounds;
  #frameBytes: number;
  #head: Sender | undefined;
  #tail: Sender | undefined;

  constructor(bounds: SchedulerBounds) {
    this.#bounds = bounds;
    this.#frameBytes = Math.min(DEFAULT_FRAME_BYTES, bounds.dataFrameBytes);
  }

  /** The peer's SETTINGS_MAX_FRAME_SIZE. */
  setMaxFrameBytes(bytes: number): void {
    this.#frameBytes = Math.min(bytes, this.#bounds.dataFrameBytes);
  }

  get hasWork(): boolean {
    return this.#head !== undefined && this.windowBytes > 0;
  }

  /** Nobody waits, so that a frame of so many bytes need not. Half of a flush is left to those who come later and take turns. */
  takesAtOnce(out: FrameBuffer, bytes: number): boolean {
    if (this.#head !== undefined || bytes > this.windowBytes || bytes > this.#frameBytes) return false;
    return out.length + out.sliceBytes + FRAME_HEADER_BYTES + bytes <= this.#bounds.flushBytes / 2;
  }

  add(sender: Sender): void {
    if (sender.isScheduled) return;
    sender.isScheduled = true;
    if (this.#tail === undefined) this.#head = sender;
    else this.#tail.nextSender = sender;
    this.#tail = sender;
  }

  /** Fills `out` up to `flushBytes`; returns the number of frames. */
  gather(out: FrameBuffer): number {
    let frames = 0;
    while (this.#head !== undefined && this.windowBytes > 0) {
      const roomBytes = this.#bounds.flushBytes - out.length - out.sliceBytes - FRAME_HEADER_BYTES;
      if (roomBytes < LEAST_ROOM_BYTES) break;
      const sender = this.#takeHead(this.#head);
      if (!sender.canSend) continue;
      this.windowBytes -= sender.writeData(out, Math.min(this.#frameBytes, this.windowBytes, roomBytes));
      frames += 1;
      if (sender.canSend) this.add(sender);
    }
    return frames;
  }

  #takeHead(head: Sender): Sender {
    this.#head = head.nextSender;
    if (this.#head === undefined) this.#tail = undefined;
    head.nextSender = undefined;
    head.isScheduled = false;
    return head;
  }
}
