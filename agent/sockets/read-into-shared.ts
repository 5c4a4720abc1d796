/**
 * Reads sockets into one buffer per thread that is used again for every read, instead of a new one for each: at some
 * hundred MiB per second those would drive the garbage collector from one full collection to the next, and none of them would
 * be in the processor's cache.
 *
 * Node does that by itself only for sockets that it connects (`onread` of net.connect). What it does then is done here to
 * a socket that is there already: its buffer and callback are properties under symbols that every socket has, and the
 * handle is told. Where a version of Node has no such thing the socket goes on with a buffer for each read.
 */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { PodSocket } from "./pod-socket.ts";
import { RawSocket } from "./raw-socket.ts";
import { SHARED_READ_BUFFER } from "./shared-read-buffer.ts";

interface Symbols {
  readonly buffer: symbol;
  readonly callback: symbol;
}

type Internals = Socket & {
  _handle?: { useUserBuffer?(bytes: Buffer): void } | null;
  [property: symbol]: unknown;
};

const SYMBOLS = findSymbols();

/**
 * From here on what comes is given to `onChunk` and not emitted as `data`; the chunk is valid until that returns. What was
 * read before still comes as `data`. Pausing and resuming is as ever. False: this socket cannot be read that way.
 */
export function readIntoShared(socket: Duplex | PodSocket, onChunk: (chunk: Buffer) => void): boolean {
  if (socket instanceof RawSocket) {
    socket.lendReads(onChunk);
    return true;
  }
  const internals = socket as Internals;
  if (SYMBOLS === undefined || !(socket instanceof Socket) || internals._handle?.useUserBuffer === undefined)
    return false;
  internals[SYMBOLS.buffer] = SHARED_READ_BUFFER;
  internals[SYMBOLS.callback] = (bytes: number, buffer: Buffer): void => onChunk(buffer.subarray(0, bytes));
  internals._handle.useUserBuffer(SHARED_READ_BUFFER);
  return true;
}

function findSymbols(): Symbols | undefined {
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const find = (name: string): symbol | undefined => symbols.find(({ description }) => description === name);
  const [buffer, callback] = [find("kBuffer"), find("kBufferCb")];
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback };
}
