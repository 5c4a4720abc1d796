/** Clients on three nodes that want so much per second of one Service with a quota, and what they were given of it. */
import type { Lab } from "../../lab/lab-client.ts";
import type { StatusesBySecond, SteadyRequests } from "../pods/steady-requests.ts";
import { clientPod, pod, service, trafficPolicy } from "./cluster-documents.ts";
import { runProgram } from "./run-program.ts";

const PORT = 7000;
export const QUOTA_URL = `http://web:${PORT}/`;
const CLIENTS = ["client-1", "client-2", "client-3"] as const;
/** Of a run: shares have followed the demand by then, and the first second of the clock is not a whole one. */
const SETTLED_SECONDS = 3;

/** A client on each node, the server on the second; `requests` a second are for the whole mesh. */
export function quotaDocuments(requests: number): readonly object[] {
  return [
    clientPod("client-1", 1),
    clientPod("client-2", 2),
    clientPod("client-3", 3),
    pod({ name: "web", node: 2, command: ["node", "e2e/pods/http-server.ts", `${PORT}`], port: PORT }),
    service({ name: "web", number: 131, selector: { app: "web" }, ports: [PORT] }),
    trafficPolicy("web", { protocol: "http", quota: { name: "web", requests, per: "1s" } }),
  ];
}

/** What each node's clients were answered with 200, in each whole second after the first few. */
export async function quotaLoad(
  lab: Lab,
  demands: readonly number[],
  seconds: number,
  settled = SETTLED_SECONDS,
): Promise<readonly (readonly number[])[]> {
  const runs = demands.map((perSecond, index) => {
    const options: SteadyRequests = { url: QUOTA_URL, perSecond, seconds };
    const client = CLIENTS[index] as string;
    return runProgram<StatusesBySecond>(lab, client, "steady-requests.ts", [JSON.stringify(options)]);
  });
  const statuses = await Promise.all(runs);
  // Seconds in which all of them were at work from beginning to end.
  const begin = Math.max(...statuses.map((each) => Math.min(...Object.keys(each).map(Number)))) + settled;
  const end = Math.min(...statuses.map((each) => Math.max(...Object.keys(each).map(Number))));
  return statuses.map((each) =>
    Array.from({ length: end - begin }, (_, index) => each[`${begin + index}`]?.["200"] ?? 0),
  );
}

export function perSecond(nodes: readonly (readonly number[] | undefined)[]): readonly number[] {
  const [first = []] = nodes;
  return first.map((_, second) => nodes.reduce((sum, node) => sum + (node?.[second] ?? 0), 0));
}

export function mean(counts: readonly number[] | undefined = []): number {
  return counts.reduce((sum, each) => sum + each, 0) / Math.max(1, counts.length);
}
