/** An HTTP/2 server without TLS on loopback that does what the test says. */
import { once } from "node:events";
import http2, {
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { TearsDown } from "./http-origin.ts";

export type H2Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export class H2Origin {
  readonly #server: Http2Server;
  readonly sessions: ServerHttp2Session[] = [];
  /** Streams that were opened, on all sessions. */
  streams = 0;

  private constructor(server: Http2Server, answer: H2Answer) {
    this.#server = server;
    server.on("session", (session) => {
      this.sessions.push(session);
      session.on("error", () => {});
    });
    server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      this.streams += 1;
      stream.on("error", () => {});
      answer(stream, headers);
    });
  }

  static async create(t: TearsDown, answer: H2Answer, settings: http2.Settings = {}): Promise<H2Origin> {
    const origin = new H2Origin(http2.createServer({ settings }), answer);
    t.teardown(() => origin.close());
    origin.#server.listen(0, "127.0.0.1");
    await once(origin.#server, "listening");
    return origin;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const session of this.sessions) session.destroy();
  }
}
