/**
 * The ports of this agent process, the same numbers for IPv4 and IPv6, held for as long as the process lives: two agents
 * of a node never share one, so the rules always say which of them takes new connections.
 */
import { describeError, HawserError } from "../../core/errors.ts";
import { OUTBOUND_PORTS } from "./agent-address.ts";
import { closeSocket, SocketError } from "./libc.ts";
import { reservePort } from "./transparent-listener.ts";

export interface ReservedPorts {
  /** The first of OUTBOUND_PORTS. */
  readonly outbound: number;
  readonly inbound: number;
  /** False: the host has no IPv6. */
  readonly ipv6: boolean;
  release(): void;
}

interface Reservation {
  readonly first: number;
  readonly fds: readonly number[];
  readonly ipv6: boolean;
}

/** Beside the port that the kernel gave us one may be taken, by a program that listens on every address: rare. */
const TRIES = 20;

export function reservePorts(): ReservedPorts {
  const outbound = reserve(OUTBOUND_PORTS);
  const inbound = reserve(1);
  return {
    outbound: outbound.first,
    inbound: inbound.first,
    ipv6: outbound.ipv6 && inbound.ipv6,
    release: () => [...outbound.fds, ...inbound.fds].forEach((fd) => closeSocket(fd)),
  };
}

function reserve(count: number): Reservation {
  let last: unknown;
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const first = reservePort({ ipv6: false, port: 0 });
    const fds = [first.fd];
    try {
      return { first: first.port, fds, ipv6: reserveRest(first.port, count, fds) };
    } catch (error) {
      fds.forEach((fd) => closeSocket(fd));
      last = error;
    }
  }
  throw new HawserError("no-free-port", `Cannot reserve ${count} ports for both families: ${describeError(last)}`);
}

/** The ports that follow, and all of them for IPv6. False: the host has no IPv6. What is reserved goes into `fds`. */
function reserveRest(first: number, count: number, fds: number[]): boolean {
  for (let port = first + 1; port < first + count; port += 1) fds.push(reservePort({ ipv6: false, port }).fd);
  try {
    for (let port = first; port < first + count; port += 1) fds.push(reservePort({ ipv6: true, port }).fd);
    return true;
  } catch (error) {
    if (isWithoutIpv6(error)) return false;
    throw error;
  }
}

function isWithoutIpv6(error: unknown): boolean {
  return error instanceof SocketError && ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes(error.errnoName);
}
