/**
 * Where the agent listens for what the rules hand over: addresses that no host has and no network carries. Packets with such a
 * destination come only from our own rules, which also mark them for local delivery; without the mark there is no way here.
 */
import type { AddressFamily } from "../../routing/address.ts";

/** The IPv4 dummy address (RFC 7600) and one of the dummy IPv6 prefix (RFC 9780): registered, not to be a destination. */
export const AGENT_ADDRESS: Readonly<Record<AddressFamily, string>> = { 4: "192.0.0.8", 6: "100:0:0:1::8" };

/**
 * Consecutive ports for outbound connections. Redirected, two connections that a pod opens from one port to different
 * destinations would look alike; the kernel then takes the next of these ports instead of changing the client's. Beyond that
 * many the client's port is changed: with 10,000 connections of a pod (limits.ts) over 28,232 ephemeral ports the chance
 * that a port serves nine destinations at once is 2e-10.
 */
export const OUTBOUND_PORTS = 8;
