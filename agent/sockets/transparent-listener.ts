/**
 * A listening descriptor at the agent's address, so that nothing reaches it but what the rules hand over, shared by all data
 * workers through SO_REUSEPORT. What was dialled: see `dialled-address.ts`.
 */
import { timers } from "../limits.ts";
import { AGENT_ADDRESS } from "./agent-address.ts";
import {
  bindSocket,
  boundPort,
  closeSocket,
  listenSocket,
  openSocket,
  setIpv6Only,
  setKeepAlive,
  setMark,
  setNoDelay,
  setReuseAddress,
  setReusePort,
  setTransparent,
} from "./libc.ts";

export interface ListenerAddress {
  readonly ipv6: boolean;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

/** Waiting connections per listener: covers a burst while the event loop is busy; the kernel caps it at somaxconn. */
const BACKLOG = 4096;

/**
 * `mark`: the agent's own SO_MARK, which accepted sockets inherit, as they do the rest: an option set here costs no system
 * call for each of them. The caller owns the descriptor (`server.listen({ fd })` takes it over).
 */
export function openTransparentListener(address: ListenerAddress & { readonly mark: number }): {
  fd: number;
  port: number;
} {
  return bound(address.ipv6, (fd) => {
    setMark(fd, address.mark);
    setNoDelay(fd);
    setKeepAlive(fd, timers.keepAliveMs);
    setReuseAddress(fd);
    setReusePort(fd);
    bindToAgentAddress(fd, address);
    listenSocket(fd, BACKLOG);
  });
}

/**
 * Reserves a port without listening: while the descriptor is open no other agent can reserve it, and the workers can
 * listen on it. A socket that does not listen is never chosen for a connection. Bound before it shares: otherwise it would
 * share another agent's port as well.
 */
export function reservePort(address: ListenerAddress): { fd: number; port: number } {
  return bound(address.ipv6, (fd) => {
    bindToAgentAddress(fd, address);
    setReusePort(fd);
  });
}

function bound(ipv6: boolean, prepare: (fd: number) => void): { fd: number; port: number } {
  const fd = openSocket(ipv6);
  try {
    prepare(fd);
    return { fd, port: boundPort(fd) };
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}

function bindToAgentAddress(fd: number, { ipv6, port }: ListenerAddress): void {
  setTransparent(fd, ipv6);
  if (ipv6) setIpv6Only(fd);
  bindSocket(fd, AGENT_ADDRESS[ipv6 ? 6 : 4], port, ipv6);
}
