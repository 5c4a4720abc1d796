/**
 * Calls one HTTP service over kept-alive connections and measures every call.
 *
 * Now and then a call ends its connection, so that new ones are made all the time and balancing can be seen. A GET that hits a connection the server was just closing is sent once more, as HTTP
 * clients do (RFC 9112 section 9.3.1): that is no error.
 */
import { Agent, get, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";
import type { Clock } from "../../core/clock.ts";
import { describeError, HawserError } from "../../core/errors.ts";
import type { Placement } from "./client-stats.ts";
import type { DestinationRecorder } from "./destination-recorder.ts";
import type { ShopSettings } from "./shop-settings.ts";

/** Unlike any answer of a healthy service, and shorter than a person's patience. */
const TIMEOUT_MS = 5000;
/** Enough for the shop's rates at latencies of 100 ms; more would only hide a stall. */
const MAX_CONNECTIONS = 16;
/** Calls until one ends its connection: at 50 req/s that makes two new connections per second. */
const CALLS_PER_CONNECTION = 25;
const LAST_CALL: OutgoingHttpHeaders = { connection: "close" };

export interface ServiceCallerOptions {
  readonly host: string;
  readonly port: number;
  readonly settings: ShopSettings;
  readonly recorder: DestinationRecorder;
  readonly clock: Clock;
}

export class ServiceCaller {
  readonly #options: ServiceCallerOptions;
  readonly #agent: Agent;
  #calls = 0;

  constructor(options: ServiceCallerOptions) {
    this.#options = options;
    this.#agent = new CountingAgent(options.recorder);
  }

  /** The body of a 2xx answer. Rejects with anything else, once it has been counted. */
  async get(path: string): Promise<Buffer> {
    const { clock, recorder } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      const response = await this.#send(path);
      const placement = this.#placementOf(response);
      recorder.placed(response.socket, placement);
      const body = await buffer(response);
      if (response.statusCode !== undefined && response.statusCode < 300) {
        recorder.answered({ startMs, placement });
        return body;
      }
      recorder.failed({ startMs, placement }, `status ${response.statusCode}`);
    } catch (cause) {
      recorder.failed({ startMs, placement: "unknown" }, describeError(cause));
      throw new HawserError("call-failed", `Cannot get ${path} from ${this.#options.host}`, { cause });
    }
    throw new HawserError(
      "call-failed",
      `Cannot get ${path} from ${this.#options.host}: ${recorder.stats().lastError}`,
    );
  }

  async #send(path: string): Promise<IncomingMessage> {
    const first = await this.#request(path, ++this.#calls % CALLS_PER_CONNECTION === 0 ? LAST_CALL : {});
    if (first !== "closed-under-request") return first;
    this.#options.recorder.retried();
    const second = await this.#request(path, LAST_CALL);
    if (second !== "closed-under-request") return second;
    throw new HawserError("call-failed", "Connection closed twice before an answer");
  }

  #request(path: string, headers: OutgoingHttpHeaders): Promise<IncomingMessage | "closed-under-request"> {
    const { host, port, settings } = this.#options;
    const to = { host, port, family: settings.ipFamily, autoSelectFamily: false };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage | "closed-under-request">();
    const request = get({ ...to, path, headers, agent: this.#agent, timeout: TIMEOUT_MS }, resolve);
    request.on("timeout", () => request.destroy(new HawserError("call-timeout", `No answer within ${TIMEOUT_MS} ms`)));
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (request.reusedSocket && error.code === "ECONNRESET") resolve("closed-under-request");
      else reject(error);
    });
    return promise;
  }

  #placementOf(response: IncomingMessage): Placement {
    const node = response.headers["x-node"];
    if (typeof node !== "string") return "unknown";
    return node === this.#options.settings.node ? "same-node" : "cross-node";
  }
}

/** An agent that reports every connection it makes. */
class CountingAgent extends Agent {
  readonly #recorder: DestinationRecorder;

  constructor(recorder: DestinationRecorder) {
    super({ keepAlive: true, maxSockets: MAX_CONNECTIONS, scheduling: "fifo" });
    this.#recorder = recorder;
  }

  override createConnection(...args: Parameters<Agent["createConnection"]>): ReturnType<Agent["createConnection"]> {
    const socket = super.createConnection(...args);
    if (socket !== null && socket !== undefined) this.#recorder.connection(socket as never);
    return socket;
  }
}
