/**
 * Two loopback ports of this agent process, the same number for IPv4 and IPv6, held for as long as the process lives:
 * two agents of a node never share one, so the rules always say which of them takes new connections.
 */
import { describeError, HawserError } from "../../core/errors.ts";
import { closeSocket, SocketError } from "./libc.ts";
import { reservePort } from "./transparent-listener.ts";

export interface ReservedPorts {
  readonly outbound: number;
  readonly inbound: number;
  /** False: the host has no IPv6. */
  readonly ipv6: boolean;
  release(): void;
}

/** A port that IPv4 gave us may be taken for IPv6: rare, so a few tries are plenty. */
const TRIES = 20;

export function reservePorts(): ReservedPorts {
  const outbound = reserveBoth();
  const inbound = reserveBoth();
  return {
    outbound: outbound.port,
    inbound: inbound.port,
    ipv6: outbound.ipv6 && inbound.ipv6,
    release: () => [...outbound.fds, ...inbound.fds].forEach((fd) => closeSocket(fd)),
  };
}

function reserveBoth(): { port: number; fds: number[]; ipv6: boolean } {
  let last: unknown;
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const v4 = reservePort({ ipv6: false, port: 0 });
    try {
      const v6 = reservePort({ ipv6: true, port: v4.port });
      return { port: v4.port, fds: [v4.fd, v6.fd], ipv6: true };
    } catch (error) {
      if (isWithoutIpv6(error)) return { port: v4.port, fds: [v4.fd], ipv6: false };
      closeSocket(v4.fd);
      last = error;
    }
  }
  throw new HawserError("no-free-port", `Cannot reserve a loopback port for both families: ${describeError(last)}`);
}

function isWithoutIpv6(error: unknown): boolean {
  return error instanceof SocketError && ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes(error.errnoName);
}
