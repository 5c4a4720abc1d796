/** Two ends of one TCP connection on loopback, half-open allowed, as the agent's sockets are. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { eventually } from "./eventually.ts";

export interface SocketPair {
  /** The agent's end. */
  readonly agent: Socket;
  /** The application's end. Not read until it is resumed or listened to. */
  readonly pod: Socket;
}

export async function socketPair(): Promise<SocketPair> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const { port } = server.address() as AddressInfo;
  const pod = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  const [[agent]] = await Promise.all([accepted, once(pod, "connect")]);
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
