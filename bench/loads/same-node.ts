/** Small calls inside the callers' node: with the mesh they cost what they cost without, and no agent sees them. */
import { HawserError } from "../../core/errors.ts";
import { readAgentMetrics } from "../../lab/report/agent-metrics.ts";
import { CLIENT_NODE } from "../world/services.ts";
import type { Variant } from "../world/variant.ts";
import type { Load } from "./load.ts";
import { runWrk, SET_UP_MS } from "./run-programs.ts";

const CONNECTIONS = [1, 64] as const;

export const sameNode: readonly Load[] = CONNECTIONS.map((connections) => ({
  id: `same-node-${connections}`,
  group: "same-node",
  title: `Same node: small calls over ${connections} kept-alive connection${connections === 1 ? "" : "s"}`,
  metrics: ["callsPerSecond", "p50Us", "p99Us", "seenByAgents", "errors"],
  repeat: "every round",
  secondsPerSlice: ({ sliceSeconds }) => sliceSeconds + SET_UP_MS / 1_000,
  suits: ({ near }) => near !== undefined,
  run: async (variant, { sliceSeconds }) => {
    if (variant.near === undefined) throw new HawserError("no-endpoint", `${variant.title} has no pod on the node`);
    const before = await connectionsSeen(variant);
    const result = await runWrk(variant, variant.near, { connections, seconds: sliceSeconds });
    const { requests, durationUs, p50Us, p99Us, errors } = result;
    const seen = variant.proxies === undefined ? {} : { seenByAgents: (await connectionsSeen(variant)) - before };
    return { callsPerSecond: requests / (durationUs / 1_000_000), p50Us, p99Us, errors, ...seen };
  },
}));

async function connectionsSeen({ lab, proxies }: Variant): Promise<number> {
  if (proxies === undefined) return 0;
  const { body } = await lab.call("nodeHttp", { node: CLIENT_NODE, path: "/metrics" });
  return readAgentMetrics(CLIENT_NODE, body).connections.reduce((sum, { opened }) => sum + opened, 0);
}
