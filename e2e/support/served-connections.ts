/** Connections to name servers, and which pod served each: what stories about balancing count. */
import type { ExecutionContext } from "ava";
import type { Lab } from "../../lab/lab-client.ts";
import { readAgentMetrics } from "../../lab/report/agent-metrics.ts";
import type { ConnectionLoadOptions } from "../pods/connection-load.ts";
import { ConnectionLoad, failuresOf, servedBy } from "./connection-load.ts";

/** A load that goes on for as long as any story takes. */
export const STORY_LOAD = { loops: 3, seconds: 30, requestsPerConnection: 1, pauseMs: 5 } as const;

type Destination = Pick<ConnectionLoadOptions, "host" | "port">;

/** Runs a load to its end; nothing in it may fail. Pod -> connections it served. */
export async function serve(
  t: ExecutionContext,
  lab: Lab,
  client: string,
  options: Destination & Partial<ConnectionLoadOptions> & { readonly connections: number },
): Promise<Readonly<Record<string, number>>> {
  const load = await ConnectionLoad.start(lab, client, { ...STORY_LOAD, pauseMs: 1, ...options });
  const records = await load.finished();
  t.deepEqual(failuresOf(records), []);
  t.is(records.length, options.connections);
  t.true(records.every((record) => record.pods.length === 1));
  return servedBy(records);
}

/** The pod that serves one connection; undefined when none does. */
export async function probe(lab: Lab, client: string, destination: Destination): Promise<string | undefined> {
  const load = await ConnectionLoad.start(lab, client, { ...STORY_LOAD, ...destination, connections: 1 });
  return (await load.finished())[0]?.pods[0];
}

/** Connections to the Service that the node's agent has sent to other nodes. */
export async function tunnelled(lab: Lab, node: string, serviceKey: string): Promise<number> {
  const { body } = await lab.call("nodeHttp", { node, path: "/metrics" });
  const { connections } = readAgentMetrics(node, body);
  return connections.filter((one) => one.to === serviceKey).reduce((sum, one) => sum + one.opened, 0);
}
