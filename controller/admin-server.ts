/**
 * The controller's admin port, loopback by default: probes, metrics, state. Read only, and without secrets.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock, Timer } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { TableSnapshot } from "../protocol/table.ts";
import { timers } from "./limits.ts";
import type { ListenAddress } from "./listen-address.ts";

export interface AdminServerOptions {
  readonly listen: ListenAddress;
  /** Why the controller does not serve agents yet; empty when it does. */
  readonly pending: () => readonly string[];
  readonly status: () => object;
  readonly table: () => TableSnapshot | undefined;
  readonly metricsText: () => Promise<string>;
  readonly clock: Clock;
  readonly log: Log;
}

interface Answer {
  readonly status: number;
  readonly type: "text/plain; charset=utf-8" | "application/json";
  readonly body: string;
}

export class AdminServer {
  readonly #options: AdminServerOptions;
  #server: Server | undefined;
  #retryTimer: Timer | undefined;
  #closed = false;

  constructor(options: AdminServerOptions) {
    this.#options = options;
  }

  /** Resolves with the port; undefined when it is taken: then it is tried again in the background, agents come first. */
  start(): Promise<number | undefined> {
    const server = createServer((request, response) => void this.#serve(request, response));
    this.#server = server;
    return new Promise((resolve) => {
      server.once("error", (error) => {
        this.#options.log.warn(
          { ...this.#options.listen, error: describeError(error) },
          "Cannot open the admin port yet",
        );
        if (!this.#closed) {
          this.#retryTimer = this.#options.clock.after(timers.adminRetryMs, () => void this.start());
        }
        resolve(undefined);
      });
      server.listen({ ...this.#options.listen }, () => resolve((server.address() as AddressInfo).port));
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retryTimer?.cancel();
    const server = this.#server;
    if (server?.listening !== true) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (error) {
      answer = text(500, `${describeError(error)}\n`);
    }
    response.writeHead(answer.status, { "content-type": answer.type }).end(answer.body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    if (request.method !== "GET" && request.method !== "HEAD") return text(405, "only GET\n");
    switch ((request.url ?? "").split("?")[0]) {
      case "/livez":
        return text(200, "ok\n");
      case "/readyz": {
        const pending = this.#options.pending();
        return pending.length === 0 ? text(200, "ok\n") : text(503, `waiting for ${pending.join(", ")}\n`);
      }
      case "/metrics":
        return text(200, await this.#options.metricsText());
      case "/status":
        return json(this.#options.status());
      case "/config_dump":
        return json(this.#options.table() ?? {});
      default:
        return text(404, "try /livez /readyz /metrics /status /config_dump\n");
    }
  }
}

function text(status: number, body: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body };
}

function json(value: object): Answer {
  return { status: 200, type: "application/json", body: `${JSON.stringify(value, undefined, 2)}\n` };
}
