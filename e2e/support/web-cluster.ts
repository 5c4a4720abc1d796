/** The cluster of most stories on a real API server: a client on node 1, and servers of one Service on nodes 2 and 3. */
import type { ConnectionLoadOptions } from "../pods/connection-load.ts";
import { clientPod, mesh, pod, service } from "./cluster-documents.ts";
import type { NodeNumber } from "./cluster-documents.ts";

export const WEB_PORT = 7000;

export function webCluster(meshSpec: object = { encryption: "strict" }): readonly object[] {
  return [
    mesh(meshSpec),
    clientPod("client", 1),
    webServer("web-2", 2),
    webServer("web-3", 3),
    service({ name: "web", number: 101, selector: { group: "web" }, ports: [WEB_PORT] }),
  ];
}

export function webServer(name: string, node: NodeNumber): ReturnType<typeof pod> {
  const command = ["node", "e2e/pods/name-server.ts", `${WEB_PORT}`];
  return pod({ name, node, command, port: WEB_PORT, labels: { group: "web" } });
}

/** A new connection with one request every 20 ms, by the Service's name. */
export const STEADY_LOAD: ConnectionLoadOptions = {
  host: "web",
  port: WEB_PORT,
  loops: 0,
  everyMs: 20,
  seconds: 100,
  requestsPerConnection: 1,
  pauseMs: 1,
};
