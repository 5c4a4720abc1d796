/**
 * A Connection of our framing over a pair of streams in memory, without TLS: the other end is raw bytes, another
 * Connection, or a session of node:http2.
 */
import { type Duplex, duplexPair } from "node:stream";
import { Connection } from "../../agent/tunnel/framing/connection.ts";
import type { Http2Error } from "../../agent/http2/http2-error.ts";
import type { FramingStream } from "../../agent/tunnel/framing/framing-stream.ts";
import type { IncomingRequest } from "../../agent/tunnel/framing/read-message.ts";
import { eventually } from "./eventually.ts";
import { FakeClock } from "./fake-clock.ts";
import { CLIENT_PREFACE, EMPTY_SETTINGS, type WireFrame, WireReader } from "./wire-frames.ts";

export class ConnectionUnderTest {
  readonly clock = new FakeClock();
  readonly connection: Connection;
  readonly requests: { readonly stream: FramingStream; readonly request: IncomingRequest }[] = [];
  /** The other end. */
  readonly peer: Duplex;
  error: Http2Error | undefined;
  goaways = 0;
  pongs = 0;
  gone = 0;
  onRequest: ((stream: FramingStream) => void) | undefined;

  constructor(role: "client" | "server", sockets: readonly [near: Duplex, far: Duplex] = duplexPair()) {
    const [socket, peer] = sockets;
    this.peer = peer;
    peer.on("error", () => {});
    socket.on("error", () => {});
    this.connection = new Connection({
      socket,
      role,
      clock: this.clock,
      events: {
        onRequest: (stream, request) => {
          this.requests.push({ stream, request });
          this.onRequest?.(stream);
        },
        onStreamGone: () => {
          this.gone += 1;
        },
        onGoaway: () => {
          this.goaways += 1;
        },
        onPong: () => {
          this.pongs += 1;
        },
        onFailed: (error) => {
          this.error = error;
          this.connection.abandon(error.wireCode, error.message, true);
        },
      },
    });
    this.connection.start();
  }
}

/** The other end is a test that writes bytes and looks at the frames that come. */
export class RawPeer extends ConnectionUnderTest {
  readonly frames: WireFrame[] = [];

  constructor(role: "client" | "server") {
    super(role);
    const reader = new WireReader();
    this.peer.on("data", (chunk: Buffer) => this.frames.push(...reader.push(chunk)));
  }

  /** One that has said hello. */
  static greeted(role: "client" | "server", settings = EMPTY_SETTINGS): RawPeer {
    const peer = new RawPeer(role);
    peer.send(role === "server" ? CLIENT_PREFACE : Buffer.alloc(0), settings);
    return peer;
  }

  send(...frames: readonly Buffer[]): void {
    this.peer.write(Buffer.concat(frames));
  }

  /** The first frame of a type, of a stream. */
  async receives(type: number, streamId = 0): Promise<WireFrame> {
    return await eventually(`a frame of type ${type} for stream ${streamId}`, () =>
      this.frames.find((each) => each.type === type && each.streamId === streamId),
    );
  }

  /** Error code of the GOAWAY. */
  async goawayCode(): Promise<number> {
    return (await this.receives(7)).payload.readUInt32BE(4);
  }

  /** Error code of the stream's RST_STREAM. */
  async resetCode(streamId: number): Promise<number> {
    return (await this.receives(3, streamId)).payload.readUInt32BE(0);
  }

  /** Everything sent so far was read: the answer to a PING has come. */
  async settled(): Promise<void> {
    const before = this.frames.filter(({ type }) => type === 6).length;
    this.send(Buffer.from("0000080600000000000011223344556677", "hex"));
    await eventually("PING is answered", () => this.frames.filter(({ type }) => type === 6).length > before);
  }

  /** Payload of the stream's DATA frames. */
  dataOf(streamId: number): Buffer {
    return Buffer.concat(
      this.frames.filter((each) => each.type === 0 && each.streamId === streamId).map(({ payload }) => payload),
    );
  }
}
