/**
 * A raw packet socket in another network namespace (packet(7)): what tcpdump uses, without tcpdump's change of user, for
 * which a user namespace with a single mapped user has no room.
 *
 * A socket belongs to the namespace in which it was made. setns(2) moves the calling thread only, and everything
 * between moving out and moving back is synchronous, so nothing else of the process runs in the other namespace.
 */
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import koffi from "koffi";
import { HawserError } from "../../core/errors.ts";
import { RING_BLOCK_BYTES, RING_BLOCKS, RING_TIMEOUT_MS } from "./limits.ts";
import { type OnFrame, PacketRing } from "./packet-ring.ts";

// Values of the generic Linux ABI, the same on x64 and arm64: <sched.h>, <linux/if_packet.h>, <asm-generic/socket.h>,
// <sys/mman.h>.
const CLONE_NEWNET = 0x40000000;
const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
const TPACKET_V3 = 2;
const PROT_READ_WRITE = 1 | 2;
const MAP_SHARED = 1;
const MAP_FAILED = -1n;

const RING_BYTES = RING_BLOCK_BYTES * RING_BLOCKS;
/** Has no meaning in TPACKET_V3, but must divide the block. */
const RING_FRAME_BYTES = 2048;

/** `struct sock_fprog`. */
interface FilterProgram {
  readonly instructions: number;
  readonly filter: Buffer;
}

interface Libc {
  setns(fd: number, kind: number): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  setsockopt(fd: number, level: number, option: number, value: Buffer, length: number): number;
  attachFilter(fd: number, level: number, option: number, program: FilterProgram, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: Buffer, length: Buffer): number;
  if_nametoindex(name: string): number;
  mmap(address: null, length: number, protection: number, flags: number, fd: number, offset: number): unknown;
  munmap(address: unknown, length: number): number;
  close(fd: number): number;
}

export interface PacketSocketTarget {
  /** A process in the network namespace. */
  readonly pid: number;
  readonly interfaceName: string;
  /** Array of `struct sock_filter`. */
  readonly filter: Buffer;
}

export class PacketSocket implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;
  #ring: { readonly address: unknown; readonly reader: PacketRing } | undefined;
  #droppedPackets = 0;

  private constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** Throws HawserError `capture-failed`. */
  static open(target: PacketSocketTarget): PacketSocket {
    const libc = loadLibc();
    const { fd, index } = inNetworkNamespace(libc, target.pid, () => ({
      // Protocol 0: nothing is received until the socket is bound, filter and ring in place.
      fd: libc.socket(AF_PACKET, SOCK_RAW_CLOEXEC, 0),
      index: libc.if_nametoindex(target.interfaceName),
    }));
    if (fd < 0) throw failure("open a packet socket");
    const socket = new PacketSocket(libc, fd);
    try {
      if (index === 0) throw failure(`find interface ${target.interfaceName} of process ${target.pid}`);
      socket.#start(index, target.filter);
    } catch (error) {
      socket[Symbol.dispose]();
      throw error;
    }
    return socket;
  }

  /** Hands on one block of frames; false = none is complete. */
  readBlock(onFrame: OnFrame): boolean {
    return this.#ring?.reader.readBlock(onFrame) ?? false;
  }

  /** Frames that found the ring full, since the beginning. */
  droppedPackets(): number {
    // struct tpacket_stats_v3 { packets; drops; freezes }: the kernel forgets them with every look.
    const statistics = Buffer.alloc(12);
    if (this.#libc.getsockopt(this.#fd, SOL_PACKET, PACKET_STATISTICS, statistics, uint32s(statistics.length)) !== 0) {
      throw failure("read packet statistics");
    }
    this.#droppedPackets += statistics.readUInt32LE(4);
    return this.#droppedPackets;
  }

  /** Views into the ring must not be used any more. */
  [Symbol.dispose](): void {
    if (this.#ring !== undefined) this.#libc.munmap(this.#ring.address, RING_BYTES);
    this.#ring = undefined;
    this.#libc.close(this.#fd);
  }

  #start(interfaceIndex: number, filter: Buffer): void {
    const program = { instructions: filter.length / 8, filter };
    if (this.#libc.attachFilter(this.#fd, SOL_SOCKET, SO_ATTACH_FILTER, program, 16) !== 0)
      throw failure("attach a packet filter");
    this.#setOption(PACKET_VERSION, uint32s(TPACKET_V3));
    // struct tpacket_req3: block size, blocks, frame size, frames, timeout, private size, features.
    const frames = RING_BYTES / RING_FRAME_BYTES;
    this.#setOption(
      PACKET_RX_RING,
      uint32s(RING_BLOCK_BYTES, RING_BLOCKS, RING_FRAME_BYTES, frames, RING_TIMEOUT_MS, 0, 0),
    );
    const address: unknown = this.#libc.mmap(null, RING_BYTES, PROT_READ_WRITE, MAP_SHARED, this.#fd, 0);
    if (BigInt.asIntN(64, koffi.address(address)) === MAP_FAILED) throw failure("map a packet ring");
    this.#ring = { address, reader: new PacketRing(koffi.view(address, RING_BYTES), RING_BLOCK_BYTES) };
    // struct sockaddr_ll: family, protocol in network order, interface, and what is not used for binding.
    const name = Buffer.alloc(20);
    name.writeUInt16LE(AF_PACKET, 0);
    name.writeUInt16BE(ETH_P_ALL, 2);
    name.writeInt32LE(interfaceIndex, 4);
    if (this.#libc.bind(this.#fd, name, name.length) !== 0) throw failure("listen for packets");
  }

  #setOption(option: number, value: Buffer): void {
    if (this.#libc.setsockopt(this.#fd, SOL_PACKET, option, value, value.length) !== 0)
      throw failure(`set packet option ${option}`);
  }
}

function loadLibc(): Libc {
  const libc = koffi.load("libc.so.6");
  const sockFprog = koffi.struct({ instructions: "uint16_t", filter: "const void*" });
  return {
    setns: libc.func("int setns(int, int)"),
    socket: libc.func("int socket(int, int, int)"),
    bind: libc.func("int bind(int, const void*, uint32_t)"),
    setsockopt: libc.func("int setsockopt(int, int, int, const void*, uint32_t)"),
    attachFilter: libc.func("setsockopt", "int", ["int", "int", "int", koffi.pointer(sockFprog), "uint32_t"]),
    getsockopt: libc.func("int getsockopt(int, int, int, void*, void*)"),
    if_nametoindex: libc.func("unsigned int if_nametoindex(const char*)"),
    mmap: libc.func("void* mmap(void*, size_t, int, int, int, int64_t)"),
    munmap: libc.func("int munmap(void*, size_t)"),
    close: libc.func("int close(int)"),
  };
}

function inNetworkNamespace<T>(libc: Libc, pid: number, action: () => T): T {
  const own = openSync("/proc/thread-self/ns/net", "r");
  try {
    const other = openSync(`/proc/${pid}/ns/net`, "r");
    try {
      if (libc.setns(other, CLONE_NEWNET) !== 0) throw failure(`enter the network namespace of process ${pid}`);
      try {
        return action();
      } finally {
        // Staying in the wrong namespace would break everything after; there is nothing sensible but to die.
        if (libc.setns(own, CLONE_NEWNET) !== 0) process.abort();
      }
    } finally {
      closeSync(other);
    }
  } finally {
    closeSync(own);
  }
}

function failure(action: string): HawserError {
  const errno = koffi.errno();
  const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return new HawserError("capture-failed", `Cannot ${action}: ${name}`);
}

function uint32s(...values: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}
