/** A port of a pod through the API server, against a server that speaks the protocol as kubelet does. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import { WebSocketServer, type WebSocket } from "ws";
import { portOver } from "../../../cli/explain/admin-port.ts";
import { agentPort, controllerPort } from "../../../cli/explain/cluster-ports.ts";
import type { CredentialSource } from "../../../kubernetes/credentials.ts";
import { forwardPort } from "../../../kubernetes/forward-port.ts";
import { KubeError, type KubeClient } from "../../../kubernetes/kube-client.ts";

const PORT = 15_000;
const TO = { namespace: "hawser-system", pod: "hawser-agent-x", port: PORT };

type Behaviour = (socket: WebSocket, request: IncomingMessage) => void;

async function open(t: ExecutionContext, behave: Behaviour): Promise<CredentialSource> {
  const server = createServer((_request, response) => response.writeHead(403).end());
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    if (request.headers.authorization !== "Bearer me") {
      socket.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (one) => behave(one, request));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const client of sockets.clients) client.terminate();
    server.close();
  });
  const url = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return {
    server: url,
    current: () => Promise.resolve({ tls: {}, headers: { authorization: "Bearer me" } }),
    forget() {},
  };
}

const greet = (socket: WebSocket): void => {
  const port = Buffer.alloc(2);
  port.writeUInt16LE(PORT);
  for (const channel of [0, 1]) socket.send(Buffer.concat([Buffer.of(channel), port]));
};

test("bytes go both ways, and the end is the end", async (t) => {
  const asked: string[] = [];
  const credentials = await open(t, (socket, request) => {
    asked.push(request.url ?? "");
    greet(socket);
    socket.on("message", (data: Buffer) => {
      asked.push(data.subarray(1).toString());
      socket.send(Buffer.from("\0pong "));
      socket.send(Buffer.from("\0again"));
      socket.close();
    });
  });
  const stream = await forwardPort(credentials, TO);
  stream.write("ping");
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  t.is(Buffer.concat(chunks).toString(), "pong again");
  t.deepEqual(asked, ["/api/v1/namespaces/hawser-system/pods/hawser-agent-x/portforward?ports=15000", "ping"]);
});

test("what kubelet says of the port is the error", async (t) => {
  const credentials = await open(t, (socket) => {
    greet(socket);
    socket.send(Buffer.from("\x01dial tcp4 127.0.0.1:15000: connection refused\n"));
  });
  const stream = await forwardPort(credentials, TO);
  stream.resume();
  const [error] = (await once(stream, "error")) as [Error];
  t.is(error.message, "Port 15000 of pod hawser-system/hawser-agent-x: dial tcp4 127.0.0.1:15000: connection refused");
});

test("who may not forward ports is told", async (t) => {
  const credentials = await open(t, greet);
  const stranger = { ...credentials, current: () => Promise.resolve({ tls: {}, headers: {} }) };
  const { cause } = await t.throwsAsync(forwardPort(stranger, TO), { instanceOf: KubeError });
  t.regex((cause as Error).message, /401/);
});

/** HTTP over the forwarded port. */
const answer =
  (body: object): Behaviour =>
  (socket) => {
    greet(socket);
    socket.on("message", (data: Buffer) => {
      const [, path] = data.subarray(1).toString().split(" ");
      const text = JSON.stringify({ path, ...body });
      socket.send(
        Buffer.from(`\0HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n${text}`),
      );
    });
  };

test("an admin port behind it is asked as any other", async (t) => {
  const credentials = await open(t, answer({ node: "node-1" }));
  const port = portOver("agent of node-1", () => forwardPort(credentials, TO));
  t.deepEqual(await port.get("/config_dump"), { path: "/config_dump", node: "node-1" });
  t.deepEqual(await port.get("/endpoints?service=a%2Fb"), { path: "/endpoints?service=a%2Fb", node: "node-1" });
});

const pod = (name: string, nodeName: string, ready = true) => ({
  metadata: { name },
  spec: { nodeName },
  status: { phase: "Running", conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
});

/** Answers GETs only. */
function kube(answers: Readonly<Record<string, unknown>>): KubeClient {
  const get = (path: string): Promise<never> => {
    const found = answers[path];
    if (found === undefined) return Promise.reject(new KubeError("not found", 404, "NotFound"));
    return Promise.resolve(found as never);
  };
  return { get } as unknown as KubeClient;
}

const PODS = "/api/v1/namespaces/hawser-system/pods";

test("an agent is found by its node, its pod, or any pod of its node; of two, the one that is ready", async (t) => {
  const urls: string[] = [];
  const credentials = await open(t, (socket, request) => {
    urls.push(request.url?.split("/")[6] ?? "");
    answer({})(socket, request);
  });
  const cluster = kube({
    [PODS]: { items: [pod("old", "node-1", false), pod("new", "node-1"), pod("two", "node-2")] },
    "/api/v1/namespaces/shop/pods/web-1": pod("web-1", "node-2"),
  });
  for (const name of ["node-1", "two", "shop/web-1"]) await (await agentPort(cluster, credentials, name)).get("/");
  t.deepEqual(urls, ["new", "two", "two"]);
  await t.throwsAsync(agentPort(cluster, credentials, "node-3"), {
    message: "There is no agent node-3; nodes with one: node-1, node-1, node-2",
  });
  await t.throwsAsync(agentPort(cluster, credentials, "shop/gone"), { message: "There is no pod shop/gone" });
});

test("a controller that is ready is asked through the proxy", async (t) => {
  const path = `${PODS}/b:15010/proxy/config_dump`;
  const port = await controllerPort(
    kube({ [PODS]: { items: [pod("a", "n", false), pod("b", "n")] }, [path]: { sequence: 1 } }),
  );
  t.deepEqual([port.name, await port.get("/config_dump")], ["controller b", { sequence: 1 }]);
  await t.throwsAsync(controllerPort(kube({ [PODS]: { items: [] } })), { message: /^No controller is ready/ });
});
