/** The table that an agent or a controller has in force, and what an agent knows of endpoints, from their admin ports. */
import { HawserError } from "../../core/errors.ts";
import type { LiveEndpoint, LiveEndpoints } from "../../protocol/live-state.ts";
import type { TableSnapshot } from "../../protocol/table.ts";
import { parseSnapshot } from "../../routing/validate-messages.ts";
import type { AdminPort } from "./admin-port.ts";

export interface LiveWorld {
  readonly table: TableSnapshot;
  /** Of an agent. */
  readonly node: string | undefined;
  /** `agent of node-1, table 10`. */
  readonly about: string;
}

/** Rejects with HawserError or RoutingError when there is no table. */
export async function readLiveWorld(port: AdminPort): Promise<LiveWorld> {
  const dump = (await port.get("/config_dump")) as Readonly<Record<string, unknown>>;
  // A controller's dump is the table; an agent's has it among other things.
  const node = typeof dump["node"] === "string" ? dump["node"] : undefined;
  const value = node === undefined ? dump : dump["table"];
  if (value === null || value === undefined || (value as { epoch?: unknown }).epoch === undefined) {
    throw new HawserError("no-table", `${port.name} has no table yet`);
  }
  const table = parseSnapshot(value);
  const who = node === undefined ? port.name : `agent of ${node}`;
  return { table, node, about: `${who}, table ${table.sequence}` };
}

/** Of one Service; none of an agent that is older than this question. */
export async function readLiveEndpoints(port: AdminPort, service: string): Promise<readonly LiveEndpoint[]> {
  try {
    const answer = (await port.get(`/endpoints?service=${encodeURIComponent(service)}`)) as LiveEndpoints;
    return answer.endpoints;
  } catch (error) {
    if (error instanceof HawserError && error.message.includes("HTTP status 404")) return [];
    throw error;
  }
}
