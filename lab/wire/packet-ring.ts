/**
 * The memory that the kernel shares with a packet socket (TPACKET_V3, <linux/if_packet.h>): a ring of blocks, each filled
 * with many frames and handed over whole.
 *
 *   block:  version 4, private offset 4 | status 4, frames 4, first frame's offset 4, ...
 *   frame:  next frame's offset 4, seconds 4, nanoseconds 4, captured length 4, length 4, status 4, offset of the bytes 2, ...
 *
 * A block belongs to whom its status says: the kernel sets TP_STATUS_USER when it is done, the reader clears it. A ring
 * and not a receive buffer, because the latter's size is limited (net.core.rmem_max) for whoever is not root of the machine.
 */

const BLOCK_STATUS = 8;
const BLOCK_FRAMES = 12;
const BLOCK_FIRST_FRAME = 16;
const FRAME_NEXT = 0;
const FRAME_SECONDS = 4;
const FRAME_NANOSECONDS = 8;
const FRAME_CAPTURED = 12;
const FRAME_BYTES_OFFSET = 24;
const STATUS_KERNEL = 0;
const STATUS_USER = 1;

/** A frame is a view into the ring and only valid during the call. */
export type OnFrame = (frame: Buffer, timeMs: number) => void;

export class PacketRing {
  readonly #memory: Buffer;
  /** The same memory, for atomic access to the blocks' status. */
  readonly #words: Int32Array;
  readonly #blockBytes: number;
  #nextBlock = 0;

  constructor(memory: ArrayBuffer, blockBytes: number) {
    this.#memory = Buffer.from(memory);
    this.#words = new Int32Array(memory);
    this.#blockBytes = blockBytes;
  }

  /** Hands on the frames of the next block and gives it back; false = the kernel is not done with it. */
  readBlock(onFrame: OnFrame): boolean {
    const start = this.#nextBlock * this.#blockBytes;
    const status = (start + BLOCK_STATUS) / Int32Array.BYTES_PER_ELEMENT;
    // Atomic, so that nothing of the block is read before its status nor after it was given back.
    if ((Atomics.load(this.#words, status) & STATUS_USER) === 0) return false;
    this.#readFrames(start, onFrame);
    Atomics.store(this.#words, status, STATUS_KERNEL);
    this.#nextBlock = ((start + this.#blockBytes) % this.#memory.length) / this.#blockBytes;
    return true;
  }

  #readFrames(block: number, onFrame: OnFrame): void {
    const memory = this.#memory;
    let frame = block + memory.readUInt32LE(block + BLOCK_FIRST_FRAME);
    for (let left = memory.readUInt32LE(block + BLOCK_FRAMES); left > 0; left--) {
      const timeMs =
        memory.readUInt32LE(frame + FRAME_SECONDS) * 1000 + memory.readUInt32LE(frame + FRAME_NANOSECONDS) / 1e6;
      const bytes = frame + memory.readUInt16LE(frame + FRAME_BYTES_OFFSET);
      onFrame(memory.subarray(bytes, bytes + memory.readUInt32LE(frame + FRAME_CAPTURED)), timeMs);
      frame += memory.readUInt32LE(frame + FRAME_NEXT);
    }
  }
}
