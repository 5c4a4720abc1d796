/** From whose address a plain dial to an endpoint is made. */
import type { Candidate } from "../../routing/decide-connection.ts";
import type { DialOptions } from "../sockets/dial.ts";

export interface DialClient {
  readonly address: string;
  readonly port: number;
  /** See DialledAddress. */
  readonly redirected: boolean;
}

/** The part of the dial's options that makes the server see its client, or nothing where it cannot. */
export function dialSource(
  { workload, address, transport }: Candidate,
  client: DialClient,
): Pick<DialOptions, "source"> {
  // Neighbours on a bridge would answer each other directly, past this host.
  if (client.redirected && transport === "local") return {};
  // Answers to a pod come back here: they are addressed to a pod of this node. Who is no pod may not know the way to one,
  // and a pod drops what comes from its own address: both are spoken to as the node, as the cluster's masquerading would
  // have it.
  if (workload === undefined || address === client.address) return {};
  return { source: { address: client.address, port: client.port } };
}
