/**
 * Sockets in a network namespace, moved by a test from outside: JSON lines in, JSON lines out.
 *
 *   {"id":1,"method":"listen","params":{...}}  ->  {"id":1,"result":{...}} | {"id":1,"error":"..."}
 *
 * A server greets with `label dialledAddress dialledPort peerAddress peerPort`, then echoes. Ends with its standard input.
 */
import net from "node:net";
import { createInterface } from "node:readline";
import { dialledAddress } from "../../agent/sockets/dialled-address.ts";
import { dial } from "../../agent/sockets/dial.ts";
import { openTransparentListener } from "../../agent/sockets/transparent-listener.ts";

interface ListenParams {
  readonly label: string;
  readonly port: number;
  /** As an agent listens: at the agent's address, with this mark, at so many consecutive ports. */
  readonly agent?: { readonly mark: number; readonly ports: number };
}

interface ConnectParams {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** As an agent dials: from somebody's address, with this mark. */
  readonly from?: { readonly address: string; readonly port: number; readonly mark: number };
  readonly localPort?: number;
}

const connections = new Map<number, net.Socket>();
let lastAccepted: net.Socket | undefined;
let lastConnection = 0;

const methods: Record<string, (params: never) => Promise<unknown>> = {
  async listen({ label, port, agent }: ListenParams) {
    if (agent === undefined) return { port: await listen(label, { host: "::", port }) };
    const { mark, ports } = agent;
    const first = openTransparentListener({ ipv6: false, port, mark });
    const fds = [first.fd, openTransparentListener({ ipv6: true, port: first.port, mark }).fd];
    for (let next = first.port + 1; next < first.port + ports; next += 1) {
      fds.push(...[false, true].map((ipv6) => openTransparentListener({ ipv6, port: next, mark }).fd));
    }
    for (const fd of fds) await listen(label, { fd });
    return { port: first.port };
  },

  async connect({ address, port, timeoutMs, from, localPort }: ConnectParams) {
    const socket =
      from === undefined
        ? net.connect({ host: address, port, ...(localPort === undefined ? {} : { localPort }) })
        : dial({ address, port, mark: from.mark, source: from });
    const first = await nextEvent(socket, timeoutMs);
    if (!first.startsWith("data ")) {
      socket.destroy();
      return { outcome: first };
    }
    lastConnection += 1;
    connections.set(lastConnection, socket);
    return { outcome: "connected", greeting: first.slice(5).trim(), connection: lastConnection };
  },

  /** Sends a line; what came back: `data <text>`, `end`, an error code, or `timeout`. */
  async send({ connection, text, timeoutMs }: { connection: number; text: string; timeoutMs: number }) {
    const socket = connections.get(connection);
    if (socket === undefined) throw new Error(`No connection ${connection}`);
    const event = nextEvent(socket, timeoutMs);
    socket.write(`${text}\n`);
    return { outcome: await event };
  },

  async sendFromServer({ text, timeoutMs }: { text: string; timeoutMs: number }) {
    const socket = lastAccepted;
    if (socket === undefined) throw new Error("No connection was accepted");
    socket.unpipe();
    const event = nextEvent(socket, timeoutMs);
    socket.write(`${text}\n`);
    return { outcome: await event };
  },

  async close({ connection }: { connection: number }) {
    connections.get(connection)?.destroy();
    connections.delete(connection);
    return {};
  },
};

function listen(label: string, on: net.ListenOptions & { fd?: number }): Promise<number> {
  const server = net.createServer((socket) => {
    lastAccepted = socket;
    const { remoteAddress, remotePort } = socket;
    const dialled = dialledAddress(socket);
    const local = typeof dialled === "string" ? `${dialled} 0` : `${dialled.address} ${dialled.port}`;
    socket.write(`${label} ${local} ${plain(remoteAddress)} ${remotePort}\n`);
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(on, () => resolve((server.address() as net.AddressInfo).port));
  });
}

function plain(address: string | undefined): string {
  return (address ?? "?").replace("::ffff:", "");
}

function nextEvent(socket: net.Socket, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const done = (event: string): void => {
      clearTimeout(timer);
      for (const name of ["data", "end", "error"]) socket.removeAllListeners(name);
      // Errors that come later are seen by the next call, as the state of the socket.
      socket.on("error", () => {});
      socket.pause();
      resolve(event);
    };
    const timer = setTimeout(() => done("timeout"), timeoutMs);
    if (socket.destroyed) {
      done("closed");
      return;
    }
    socket.once("data", (chunk: Buffer) => done(`data ${chunk.toString()}`));
    socket.once("end", () => done("end"));
    socket.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.resume();
  });
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { id, method, params } = JSON.parse(line) as { id: number; method: string; params: never };
    Promise.resolve()
      .then(() => methods[method]?.(params))
      .then(
        (result) => process.stdout.write(`${JSON.stringify({ id, result })}\n`),
        (error: unknown) => process.stdout.write(`${JSON.stringify({ id, error: String(error) })}\n`),
      );
  })
  .on("close", () => process.exit(0));
