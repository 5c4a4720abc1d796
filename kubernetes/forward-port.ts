/**
 * A connection to a port of a pod, also one that listens on the pod's loopback only, through the API server: `portforward`
 * over a WebSocket (v4.channel.k8s.io). Each message begins with the number of its channel.
 *
 *   channel 0   bytes in both directions; the first message is the port, two bytes
 *   channel 1   what went wrong, as text; likewise
 */
import { Duplex } from "node:stream";
import { WebSocket, type RawData } from "ws";
import type { CredentialSource } from "./credentials.ts";
import { noAnswer } from "./kube-client.ts";

export interface ForwardedPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

const PROTOCOL = "v4.channel.k8s.io";
const DATA = 0;
const PORT_BYTES = 2;
/** As long as a request to the API server may take to be answered at all. */
const HANDSHAKE_TIMEOUT_MS = 15_000;
/** kubelet sends what it reads, 32 KiB at most. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

/** Rejects with KubeError when the API server does not open it; later errors are the stream's. Who opens it destroys it. */
export async function forwardPort(credentials: CredentialSource, to: ForwardedPort): Promise<Duplex> {
  const { tls, headers, agent } = await credentials.current();
  const path = `/api/v1/namespaces/${to.namespace}/pods/${to.pod}/portforward?ports=${to.port}`;
  const socket = new WebSocket(new URL(path, credentials.server), PROTOCOL, {
    ...tls,
    headers,
    ...(agent === undefined ? {} : { agent }),
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  return await new Promise((resolve, reject) => {
    socket.once("open", () => {
      // Until somebody reads, and so until somebody hears of errors.
      socket.pause();
      resolve(new PortStream(socket, to));
    });
    socket.on("error", (cause) => {
      reject(noAnswer("Unreachable", `Cannot forward port ${to.port} of pod ${to.namespace}/${to.pod}`, cause));
    });
  });
}

class PortStream extends Duplex {
  readonly #socket: WebSocket;
  readonly #to: ForwardedPort;
  /** Channels whose first message has come. */
  readonly #opened = new Set<number>();

  constructor(socket: WebSocket, to: ForwardedPort) {
    super();
    this.#socket = socket;
    this.#to = to;
    socket.on("message", (data: RawData) => this.#received(Buffer.isBuffer(data) ? data : Buffer.alloc(0)));
    socket.on("close", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.send(Buffer.concat([Buffer.of(DATA), bytes]), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.terminate();
    done(error);
  }

  #received(message: Buffer): void {
    const [channel = DATA] = message;
    const bytes = message.subarray(1);
    const isFirst = !this.#opened.has(channel);
    this.#opened.add(channel);
    const content = isFirst ? bytes.subarray(PORT_BYTES) : bytes;
    if (content.length === 0) return;
    if (channel !== DATA) {
      const { namespace, pod, port } = this.#to;
      this.destroy(noAnswer("Unreachable", `Port ${port} of pod ${namespace}/${pod}: ${content.toString().trim()}`));
    } else if (!this.push(content)) this.#socket.pause();
  }
}
