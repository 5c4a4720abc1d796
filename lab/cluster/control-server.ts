/**
 * The lab's end of the control socket: JSON lines, one handler per method, answers in the order they are found.
 *
 * The socket lies in the state directory (mode 0700): whoever can open it may run the lab.
 */
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { createInterface } from "node:readline";
import { describeError, HawserError } from "../../core/errors.ts";
import type { LabMethod, LabMethods } from "../lab-status.ts";
import { hostState } from "./host-state.ts";
import type { LabCluster } from "./lab-cluster.ts";
import { namespaceHttpGet } from "./namespace-http.ts";
import { rulesText } from "./rules-text.ts";
import type { LabSettings } from "../lab-status.ts";

type Handlers = { readonly [M in LabMethod]: (params: LabMethods[M]["params"]) => Promise<LabMethods[M]["result"]> };

interface Call {
  readonly id: number;
  readonly method: LabMethod;
  readonly params: never;
}

/** Protocol ports of the agent: see protocol/ports.ts. */
const AGENT_ADMIN_PORT = 15000;

export function serveControl(path: string, handlers: Handlers): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => serveClient(socket, handlers));
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}

/** `stop` kills every process of the lab, this one included. */
export function controlHandlers(cluster: LabCluster, settings: LabSettings, stop: () => void): Handlers {
  return {
    status: () => cluster.status(),
    resolve: async ({ target }) => ({ pausePid: cluster.sandbox(target).pid }),
    rules: ({ node }) => rulesText(cluster.network.node(node).sandbox, settings.backend),
    hostState: ({ node }) => hostState(cluster.network.node(node).sandbox),
    addPod: ({ document }) => cluster.addPod(document),
    removePod: ({ pod, graceSeconds, preStopSeconds }) =>
      nothing(cluster.removePod(pod, graceSeconds, preStopSeconds ?? 0)),
    setReady: ({ pod, ready }) => nothing(cluster.setPodReady(pod, ready)),
    signalPod: async ({ pod, signal }) => nothing(cluster.pod(pod).signal(signal)),
    startAgent: async ({ node, instance }) => cluster.mesh.startAgent(node, instance),
    signalAgent: async ({ node, instance, signal }) => nothing(cluster.mesh.signalAgent(node, instance, signal)),
    startController: async () => {
      cluster.mesh.startController();
      const status = await cluster.mesh.controllerStatus();
      if (status === undefined) throw new HawserError("no-controller", "The controller did not start");
      return status;
    },
    signalController: async ({ signal }) => nothing(cluster.mesh.signalController(signal)),
    applyDocuments: ({ file, text }) => nothing(cluster.applyDocuments(file, text)),
    removeDocuments: ({ file }) => nothing(cluster.removeDocuments(file)),
    startApiServer: () => nothing(cluster.apiServer.startApiServer()),
    endApiServer: ({ signal }) => nothing(cluster.apiServer.endApiServer(signal)),
    compactApiServer: () => nothing(cluster.apiServer.compact()),
    captureStart: () => nothing(cluster.network.startCapture()),
    captureSummary: async () => cluster.network.capture.summary(),
    captureStop: () => cluster.network.stopCapture(),
    nodeHttp: async ({ node, port, path }) =>
      namespaceHttpGet(cluster.sockets, cluster.network.node(node).sandbox.pid, port ?? AGENT_ADMIN_PORT, path),
    podHttp: async ({ pod, port, path }) =>
      namespaceHttpGet(cluster.sockets, cluster.pod(pod).parts.sandbox.pid, port, path),
    controllerHttp: async ({ path }) => cluster.mesh.controllerHttp(path),
    stop: async () => nothing(stop()),
  };
}

async function nothing(done: Promise<unknown> | void): Promise<null> {
  await done;
  return null;
}

function serveClient(socket: Socket, handlers: Handlers): void {
  socket.on("error", () => {});
  createInterface({ input: socket }).on("line", (line) => void answer(socket, handlers, line));
}

async function answer(socket: Socket, handlers: Handlers, line: string): Promise<void> {
  const call = parseCall(line);
  if (call === undefined) return;
  const reply = await run(handlers, call);
  if (!socket.destroyed) socket.write(`${JSON.stringify({ id: call.id, ...reply })}\n`);
}

async function run(handlers: Handlers, call: Call): Promise<{ result: unknown } | { error: string }> {
  if (!Object.hasOwn(handlers, call.method)) return { error: `Unknown method ${call.method}` };
  try {
    return { result: await handlers[call.method](call.params) };
  } catch (error) {
    return { error: describeError(error) };
  }
}

function parseCall(line: string): Call | undefined {
  try {
    return JSON.parse(line) as Call;
  } catch {
    return undefined;
  }
}
