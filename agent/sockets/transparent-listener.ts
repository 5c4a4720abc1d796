/**
 * A listening descriptor for TPROXY: bound to loopback, so that nothing reaches it but what the rules hand over, and
 * shared by all data workers through SO_REUSEPORT. An accepted socket's local address is the original destination.
 */
import {
  bindSocket,
  boundPort,
  closeSocket,
  listenSocket,
  openSocket,
  setIpv6Only,
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

/** The caller owns the descriptor (`server.listen({ fd })` takes it over). */
export function openTransparentListener(address: ListenerAddress): { fd: number; port: number } {
  const fd = openSocket(address.ipv6);
  try {
    setReuseAddress(fd);
    setReusePort(fd);
    setTransparent(fd, address.ipv6);
    if (address.ipv6) setIpv6Only(fd);
    bindSocket(fd, address.ipv6 ? "::1" : "127.0.0.1", address.port, address.ipv6);
    listenSocket(fd, BACKLOG);
    return { fd, port: boundPort(fd) };
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}

/**
 * Reserves a port without listening: while the descriptor is open no other process can be given the port, and the
 * workers can listen on it (all carry SO_REUSEPORT). A socket that does not listen is never chosen for a connection.
 */
export function reservePort(address: ListenerAddress): { fd: number; port: number } {
  const fd = openSocket(address.ipv6);
  try {
    setReuseAddress(fd);
    setReusePort(fd);
    if (address.ipv6) setIpv6Only(fd);
    bindSocket(fd, address.ipv6 ? "::1" : "127.0.0.1", address.port, address.ipv6);
    return { fd, port: boundPort(fd) };
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}
