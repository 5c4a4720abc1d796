/**
 * What the client of an accepted socket dialled. TPROXY leaves it as the socket's local address; when the nat table redirected
 * the connection, that is the agent's address, and conntrack knows what was there before.
 */
import { normalizeAddress } from "../../routing/address.ts";
import { AGENT_ADDRESS } from "./agent-address.ts";
import { originalDestination } from "./libc.ts";
import type { PodSocket } from "./pod-socket.ts";
import { socketDescriptor } from "./socket-descriptor.ts";

export interface DialledAddress {
  readonly address: string;
  readonly port: number;
  /** By the nat table, as it is done where pods are on a bridge. */
  readonly redirected: boolean;
}

/** `gone`: the client has left already. `unknown`: it came to the agent's address, but not by way of our rules. */
export function dialledAddress(socket: PodSocket): DialledAddress | "gone" | "unknown" {
  const address = normalizeAddress(socket.localAddress ?? "");
  const { localPort: port } = socket;
  if (address === undefined || !port) return "gone";
  if (address === AGENT_ADDRESS[4]) return redirected(socket, false);
  if (address === AGENT_ADDRESS[6]) return redirected(socket, true);
  return { address, port, redirected: false };
}

function redirected(socket: PodSocket, ipv6: boolean): DialledAddress | "gone" | "unknown" {
  const fd = socketDescriptor(socket);
  if (fd === undefined) return "gone";
  const dialled = originalDestination(fd, ipv6);
  if (dialled === undefined || dialled.address === AGENT_ADDRESS[ipv6 ? 6 : 4]) return "unknown";
  return { ...dialled, redirected: true };
}
