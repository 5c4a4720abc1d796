/** One connection from a pod to a name server (pods/name-server.ts), and what became of it. */
import type { Lab } from "../../lab/lab-client.ts";
import type { ConnectionRecord } from "../pods/connection-load.ts";
import { ConnectionLoad } from "./connection-load.ts";

/** `host`: a name or an address of either family. */
export async function askOnce(lab: Lab, podName: string, host: string, port: number): Promise<ConnectionRecord> {
  return (await askTimes(lab, podName, host, port, 1))[0] as ConnectionRecord;
}

/** Several, one after the other. */
export async function askTimes(
  lab: Lab,
  podName: string,
  host: string,
  port: number,
  connections: number,
): Promise<readonly ConnectionRecord[]> {
  const options = { host, port, connections, loops: 1, seconds: 60, requestsPerConnection: 1, pauseMs: 1 };
  const records = await (await ConnectionLoad.start(lab, podName, options)).finished();
  if (records.length !== connections) throw new Error(`${records.length} of ${connections} connections were recorded`);
  return records;
}
