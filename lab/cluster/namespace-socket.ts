/**
 * TCP sockets that live in another network namespace, without a process there: a socket belongs to the namespace in
 * which it was made, wherever its owner runs (network_namespaces(7)).
 *
 * setns(2) moves the calling thread only, and everything between moving out and moving back is synchronous, so
 * nothing else of this process ever runs in the other namespace.
 */
import { closeSync, openSync } from "node:fs";
import { Socket } from "node:net";
import koffi from "koffi";
import { HawserError } from "../../core/errors.ts";
import { familyOf } from "./addresses.ts";

// <sched.h>, <bits/socket.h>: the same on x64 and arm64.
const CLONE_NEWNET = 0x40000000;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;

export class NamespaceSockets {
  readonly #setns: (fd: number, kind: number) => number;
  readonly #socket: (family: number, type: number, protocol: number) => number;
  readonly #ownNamespace: number;

  constructor() {
    const libc = koffi.load("libc.so.6");
    this.#setns = libc.func("int setns(int fd, int nstype)") as never;
    this.#socket = libc.func("int socket(int domain, int type, int protocol)") as never;
    this.#ownNamespace = openSync("/proc/thread-self/ns/net", "r");
  }

  /** Connects from the network namespace of process `pid`. The caller listens for `error`. */
  connect(pid: number, host: string, port: number): Socket {
    const fd = this.#open(pid, familyOf(host) === 4 ? AF_INET : AF_INET6);
    return new Socket({ fd }).connect({ host, port });
  }

  #open(pid: number, family: number): number {
    const namespace = openSync(`/proc/${pid}/ns/net`, "r");
    try {
      if (this.#setns(namespace, CLONE_NEWNET) !== 0) {
        throw new HawserError("no-namespace", `Cannot enter the network namespace of process ${pid}`);
      }
      const fd = this.#socket(family, SOCK_STREAM_NONBLOCK_CLOEXEC, 0);
      // Staying in the wrong namespace would break everything after; there is nothing sensible but to die.
      if (this.#setns(this.#ownNamespace, CLONE_NEWNET) !== 0) process.abort();
      if (fd < 0) throw new HawserError("no-socket", `Cannot make a socket in the namespace of process ${pid}`);
      return fd;
    } finally {
      closeSync(namespace);
    }
  }
}
