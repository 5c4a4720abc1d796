/**
 * A connection for requests over a pair of streams in memory: the other end is raw frames, another one of ours, or a session
 * of node:http2. Probes write down what they are told.
 */
import { type Duplex, duplexPair } from "node:stream";
import { Fields } from "../../agent/http/fields.ts";
import type { Http2Error } from "../../agent/http2/http2-error.ts";
import { RequestConnection } from "../../agent/http2/request-connection.ts";
import type {
  ConnectionEnd,
  RequestConnectionEvents,
  RequestMessage,
  RequestStream,
  RequestStreamHandler,
  ResponseMessage,
  StreamReset,
} from "../../agent/http2/request-stream.ts";
import { DuplexTransport } from "./duplex-transport.ts";
import { eventually } from "./eventually.ts";
import { FakeClock } from "./fake-clock.ts";
import { block, CLIENT_PREFACE, EMPTY_SETTINGS, frame, type WireFrame, WireReader } from "./wire-frames.ts";

/** What came of one message, in words: `200 x-a=b`, `end`, `reset 8`. */
export class RequestProbe implements RequestStreamHandler {
  readonly events: string[] = [];
  readonly chunks: Buffer[] = [];
  drains = 0;
  lastReset: StreamReset | undefined;
  /** Called for every chunk. */
  onChunk: ((chunk: Buffer) => void) | undefined;
  whenEnded: ((trailers: Fields | undefined) => void) | undefined;

  onHeaders(response: ResponseMessage): void {
    this.events.push(describe(response));
  }

  onData(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.onChunk?.(chunk);
  }

  onEnd(trailers: Fields | undefined): void {
    this.events.push(trailers === undefined ? "end" : `end ${listOf(trailers)}`);
    this.whenEnded?.(trailers);
  }

  onDrain(): void {
    this.drains += 1;
  }

  onReset(reset: StreamReset): void {
    this.lastReset = reset;
    this.events.push(`reset ${reset.code}${reset.wasRefused ? " refused" : ""}`);
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  async saw(event: string): Promise<void> {
    await eventually(`${event} after ${this.events.join(", ") || "nothing"}`, () => this.events.includes(event));
  }
}

export interface SeenRequest {
  readonly stream: RequestStream;
  readonly request: RequestMessage;
  readonly endStream: boolean;
  readonly probe: RequestProbe;
}

export class RequestsUnderTest implements RequestConnectionEvents {
  readonly clock = new FakeClock();
  readonly connection: RequestConnection;
  readonly peer: Duplex;
  readonly requests: SeenRequest[] = [];
  readonly malformed: string[] = [];
  readonly limits: string[] = [];
  rooms = 0;
  drainings = 0;
  end: ConnectionEnd | undefined;
  /** Called for each request, before its body. */
  serve: ((seen: SeenRequest) => void) | undefined;

  constructor(role: "client" | "server", sockets: readonly [near: Duplex, far: Duplex] = duplexPair()) {
    const [near, far] = sockets;
    this.peer = far;
    far.on("error", () => {});
    this.connection = new RequestConnection({ role, clock: this.clock, events: this });
    DuplexTransport.connect(near, this.connection);
  }

  onRequest(stream: RequestStream, request: RequestMessage, endStream: boolean): RequestStreamHandler {
    const seen = { stream, request, endStream, probe: new RequestProbe() };
    this.requests.push(seen);
    this.serve?.(seen);
    return seen.probe;
  }

  onMalformed(error: Http2Error): void {
    this.malformed.push(error.message);
  }

  onSettings(): void {}

  onRoom(): void {
    this.rooms += 1;
  }

  onDraining(): void {
    this.drainings += 1;
  }

  onLimit(name: string): void {
    this.limits.push(name);
  }

  onClosed(end: ConnectionEnd): void {
    this.end = end;
  }

  async request(index = 0): Promise<SeenRequest> {
    return await eventually(`request ${index}`, () => this.requests[index]);
  }
}

/** The other end is a test that writes frames and looks at those that come. */
export class RawRequestPeer extends RequestsUnderTest {
  readonly frames: WireFrame[] = [];
  ended = false;

  constructor(role: "client" | "server") {
    super(role);
    const reader = new WireReader();
    this.peer.on("data", (chunk: Buffer) => this.frames.push(...reader.push(chunk)));
    this.peer.on("end", () => {
      this.ended = true;
    });
  }

  /** One that has said hello. */
  static greeted(role: "client" | "server", settings = EMPTY_SETTINGS): RawRequestPeer {
    const peer = new RawRequestPeer(role);
    peer.send(role === "server" ? CLIENT_PREFACE : Buffer.alloc(0), settings);
    return peer;
  }

  send(...frames: readonly Buffer[]): void {
    this.peer.write(Buffer.concat(frames));
  }

  of(type: number, streamId = 0): WireFrame[] {
    return this.frames.filter((each) => each.type === type && each.streamId === streamId);
  }

  async receives(type: number, streamId = 0): Promise<WireFrame> {
    return await eventually(`a frame of type ${type} for stream ${streamId}`, () => this.of(type, streamId)[0]);
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
    const before = this.of(6).length;
    this.send(frame(6, 0, 0, "settled?"));
    await eventually("PING is answered", () => this.of(6).length > before);
  }

  dataOf(streamId: number): Buffer {
    return Buffer.concat(this.of(0, streamId).map(({ payload }) => payload));
  }
}

export const GET = { ":method": "GET", ":scheme": "http", ":authority": "shop", ":path": "/" };
export const POST = { ...GET, ":method": "POST" };

/** HEADERS of a request, complete. */
export function requestFrame(
  streamId: number,
  fields: Readonly<Record<string, string>> = GET,
  endStream = true,
): Buffer {
  return frame(1, endStream ? 5 : 4, streamId, block(fields));
}

export function fieldsOf(entries: Readonly<Record<string, string>> = {}): Fields {
  const fields = new Fields();
  for (const [name, value] of Object.entries(entries)) fields.add(name, value);
  return fields;
}

export function aRequest(change: Partial<RequestMessage> = {}): RequestMessage {
  return {
    method: "GET",
    scheme: "http",
    authority: "shop",
    path: "/",
    fields: fieldsOf(),
    length: undefined,
    trailersWanted: false,
    expectsContinue: false,
    ...change,
  };
}

export function anAnswer(status = 200, entries: Readonly<Record<string, string>> = {}): ResponseMessage {
  return { status, fields: fieldsOf(entries), length: undefined };
}

export function listOf({ keys, values }: Fields): string {
  return keys.map((key, index) => `${key}=${values[index]}`).join(" ");
}

function describe({ status, fields, length }: ResponseMessage): string {
  const words = [String(status), listOf(fields), length === undefined ? "" : `length ${length}`];
  return words.filter((word) => word !== "").join(" ");
}
