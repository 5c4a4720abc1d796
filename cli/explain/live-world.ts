/** The table that an agent or a controller has in force, and what an agent knows of endpoints, from their admin ports. */
import { HawserError } from "../../core/errors.ts";
import type { LiveEndpoint, LiveEndpoints, LiveProtection } from "../../protocol/live-state.ts";
import type { RouteRule } from "../../protocol/route-table.ts";
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
  const answer = await ask<LiveEndpoints>(port, `/endpoints?service=${encodeURIComponent(service)}`);
  return answer?.endpoints ?? [];
}

/** How that stands which protects a rule's requests. Undefined: nothing does, or the agent is older than this question. */
export async function readLiveProtection(port: AdminPort, rule: RouteRule): Promise<LiveProtection | undefined> {
  const { breaker, concurrency, rateLimits = [], quotas = [] } = rule;
  const parts = [breaker, concurrency, ...rateLimits].filter((part) => part !== undefined);
  const asked = new URLSearchParams();
  for (const scope of new Set(parts.map((part) => part.scope))) asked.append("scope", scope);
  for (const { name } of quotas) asked.append("quota", name);
  return asked.size === 0 ? undefined : await ask<LiveProtection>(port, `/protection?${asked.toString()}`);
}

async function ask<T>(port: AdminPort, path: string): Promise<T | undefined> {
  try {
    return (await port.get(path)) as T;
  } catch (error) {
    if (error instanceof HawserError && error.message.includes("HTTP status 404")) return undefined;
    throw error;
  }
}
