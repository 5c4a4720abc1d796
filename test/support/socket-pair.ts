/** Two ends of one TCP connection on loopback, half-open allowed, as the agent's sockets are. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, isIPv6, type Server, type Socket } from "node:net";
import { acceptPods } from "../../agent/sockets/accept-pods.ts";
import { openSocket } from "../../agent/sockets/libc.ts";
import type { PodSocket } from "../../agent/sockets/pod-socket.ts";
import { tcpInternals } from "../../agent/sockets/tcp-internals.ts";
import { RawSocket } from "../../agent/sockets/raw-socket.ts";
import { eventually } from "./eventually.ts";

export interface SocketPair<Agent extends PodSocket = Socket> {
  /** The agent's end. */
  readonly agent: Agent;
  /** The application's end. Not read until it is resumed or listened to. */
  readonly pod: Socket;
}

export async function socketPair(): Promise<SocketPair> {
  return connected((server, accept) => server.on("connection", accept));
}

/** The agent's end is one of those that it accepts of pods. */
export async function rawSocketPair(): Promise<SocketPair<RawSocket>> {
  return connected((server, accept) =>
    acceptPods(server, tcpInternals, (socket) => {
      if (!(socket instanceof RawSocket)) throw new Error("This version of Node has no raw sockets");
      accept(socket);
    }),
  );
}

/** As the agent dials pods, but for its mark, which takes privileges. */
export function dialRaw(address: string, port: number): RawSocket {
  if (tcpInternals === undefined) throw new Error("This version of Node has no raw sockets");
  const socket = RawSocket.open(tcpInternals, openSocket(isIPv6(address)));
  socket.connect(address, port);
  return socket;
}

async function connected<Agent extends PodSocket>(
  listen: (server: Server, accept: (agent: Agent) => void) => void,
): Promise<SocketPair<Agent>> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = new Promise<Agent>((resolve) => listen(server, resolve));
  const { port } = server.address() as AddressInfo;
  const pod = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  const [agent] = await Promise.all([accepted, once(pod, "connect")]);
  server.close();
  // A reset is for the test to notice, not for the process to die of.
  pod.on("error", () => {});
  return { agent, pod };
}

/** What an application sees on its socket. Reads everything. */
export class PodProbe {
  /** `end`, `error ECONNRESET`, `close`, in order. */
  readonly events: string[] = [];
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(socket: Socket) {
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
    });
    socket.on("end", () => this.events.push("end"));
    socket.on("error", (error: NodeJS.ErrnoException) => this.events.push(`error ${error.code}`));
    socket.on("close", () => this.events.push("close"));
    // A data listener does not start a socket that was paused.
    socket.resume();
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  get bytes(): number {
    return this.#bytes;
  }

  async saw(event: string): Promise<void> {
    await eventually(`${event}, saw ${this.events.join(", ") || "nothing"}`, () => this.events.includes(event));
  }
}
