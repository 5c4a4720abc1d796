/**
 * Node's own words for a TCP connection, beneath `net.Socket`. Not public: Node is pinned, and where a version of it has
 * them no more, or others, everything goes on with `net.Socket`.
 */
import type { Server } from "node:net";

export interface SocketName {
  address: string;
  family: string;
  port: number;
}

/** A write that the kernel did not take as a whole. */
export interface PendingWrite {
  oncomplete: (status: number) => void;
  /** Kept until then. */
  buffer: unknown;
}

/** Errors are negative numbers (libuv's), success is 0. */
export interface TcpHandle {
  readonly fd: number;
  onread: () => void;
  useUserBuffer(bytes: Buffer): void;
  readStart(): number;
  readStop(): number;
  /** A number: done. */
  writeBuffer(request: null, chunk: Buffer): number | PendingWrite;
  writev(request: null, chunks: readonly Buffer[], allBuffers: true): number | PendingWrite;
  getsockname(out: SocketName): number;
  getpeername(out: SocketName): number;
  setKeepAlive(enable: boolean, idleSeconds: number): number;
  open(fd: number): number;
  connect(request: ConnectRequest, address: string, port: number): number;
  connect6(request: ConnectRequest, address: string, port: number): number;
  close(): void;
}

export interface ConnectRequest {
  oncomplete: (status: number) => void;
}

export interface ListeningHandle {
  onconnection: (this: ListeningHandle, error: number, client: TcpHandle | undefined) => void;
}

export interface TcpInternals {
  createHandle(): TcpHandle;
  createConnectRequest(): ConnectRequest;
  /** Within `onread`: how many bytes were read, or the error. */
  readBytes(): number;
  /** Of the last write that is pending: not 0 when it has failed. */
  writeError(): number;
}

type Binding = (name: string) => unknown;

interface TcpBinding {
  readonly TCP: new (type: number) => TcpHandle;
  readonly TCPConnectWrap: new () => ConnectRequest;
  readonly constants: { readonly SOCKET: number };
}

interface StreamBinding {
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  /** Came with writes that need no request. */
  readonly kLastWriteErr: number;
}

/** What is called of a handle. */
const METHODS = [
  "useUserBuffer",
  "readStart",
  "readStop",
  "writeBuffer",
  "writev",
  "getsockname",
  "getpeername",
  "setKeepAlive",
  "open",
  "connect",
  "connect6",
  "close",
] as const;

/** Undefined: this version of Node has others. */
export const tcpInternals: TcpInternals | undefined = findTcpInternals(
  (process as unknown as { readonly binding?: Binding }).binding,
);

/** The handle of a server that listens, when it is as expected. */
export function listeningHandle(server: Server): ListeningHandle | undefined {
  const { _handle: handle } = server as Server & { _handle?: Partial<ListeningHandle> | null };
  return typeof handle?.onconnection === "function" ? (handle as ListeningHandle) : undefined;
}

/** `binding`: where Node has its own parts by name. */
export function findTcpInternals(binding: Binding | undefined): TcpInternals | undefined {
  if (binding === undefined) return undefined;
  try {
    const { TCP, TCPConnectWrap, constants } = binding("tcp_wrap") as TcpBinding;
    const { streamBaseState, kReadBytesOrError, kLastWriteErr } = binding("stream_wrap") as StreamBinding;
    const prototype = TCP.prototype as Partial<TcpHandle>;
    const isAsExpected =
      METHODS.every((method) => typeof prototype[method] === "function") &&
      [kReadBytesOrError, kLastWriteErr].every((index) => typeof streamBaseState[index] === "number");
    if (!isAsExpected) return undefined;
    return {
      createHandle: () => new TCP(constants.SOCKET),
      createConnectRequest: () => new TCPConnectWrap(),
      readBytes: () => streamBaseState[kReadBytesOrError] as number,
      writeError: () => streamBaseState[kLastWriteErr] as number,
    };
  } catch {
    return undefined;
  }
}
