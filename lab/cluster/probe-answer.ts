/** One look of a probe, as the kubelet does it: from the node's network namespace, or by a program inside the pod. */
import { request } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import { familyOf } from "./addresses.ts";
import type { NamespaceSockets } from "./namespace-socket.ts";
import type { ProbeAction } from "./pod-plan.ts";
import type { Sandbox } from "./sandbox.ts";

export interface ProbedPod {
  readonly sandbox: Sandbox;
  /** Holds the namespaces of the pod's node. */
  readonly nodePid: number;
  readonly ip: string;
}

/** Kubernetes' default timeoutSeconds. */
const TIMEOUT_MS = 1_000;

/** Resolves with false when there is no answer in time, whatever the reason. */
export async function probeAnswer(
  sockets: NamespaceSockets,
  pod: ProbedPod,
  action: ProbeAction,
  clock: Clock,
): Promise<boolean> {
  if (!("argv" in action)) return portAnswer(sockets, pod, action, clock);
  try {
    return (await pod.sandbox.tryRun(action.argv, { timeoutMs: TIMEOUT_MS })).exitCode === 0;
  } catch {
    return false;
  }
}

function portAnswer(
  sockets: NamespaceSockets,
  { nodePid, ip }: ProbedPod,
  { host = ip, port, path }: Exclude<ProbeAction, { argv: readonly string[] }>,
  clock: Clock,
): Promise<boolean> {
  return new Promise((resolve) => {
    let socket: Socket;
    try {
      socket = sockets.connect(nodePid, host, port);
    } catch {
      resolve(false);
      return;
    }
    const finish = (answered: boolean): void => {
      timer.cancel();
      socket.destroy();
      resolve(answered);
    };
    const timer = clock.after(TIMEOUT_MS, () => finish(false));
    socket.once("error", () => finish(false));
    if (path === undefined) socket.once("connect", () => finish(true));
    else askStatus(socket, host, path, (status) => finish(status >= 200 && status < 400));
  });
}

/** 0: no answer that is HTTP. */
function askStatus(socket: Socket, host: string, path: string, told: (status: number) => void): void {
  const bracketed = familyOf(host) === 6 ? `[${host}]` : host;
  const headers = { host: bracketed, connection: "close", "user-agent": "kube-probe/lab" };
  const outgoing = request({ path, headers, createConnection: () => socket });
  outgoing.once("response", (response) => {
    response.resume();
    told(response.statusCode ?? 0);
  });
  outgoing.once("error", () => told(0));
  outgoing.end();
}
