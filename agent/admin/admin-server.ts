/**
 * What a probe, a scraper and a person on the node may ask an agent: the admin port (loopback only), and the port for
 * scrapers of other machines, which has probes and metrics only.
 *
 *   /livez        200: the main thread's event loop turns
 *   /readyz       200 ready, or 503 and the list of what is pending
 *   /metrics      Prometheus text
 *   /config_dump  JSON: what this agent has in force, without secrets
 *   /endpoints?service=NAMESPACE/NAME
 *                 JSON: what its workers know of a Service's endpoints (protocol/live-state.ts)
 *   /protection?scope=SCOPE&quota=NAME
 *                 JSON: how breakers, limits and quotas stand (likewise)
 *
 * Reads only. While the port is taken (another agent of this node is leaving) it is tried again until it is free; the
 * agent does not wait for it.
 */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock, Timer } from "../../core/clock.ts";
import { HawserError, describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { LiveEndpoints, LiveProtection } from "../../protocol/live-state.ts";
import { isLoopback } from "./is-loopback.ts";
import { MAX_CONNECTIONS, PORT_RETRY_MS, REQUEST_TIMEOUT_MS } from "./limits.ts";
import { withoutSecrets } from "./without-secrets.ts";

export interface AdminServerOptions {
  /** Names the port in the log. */
  readonly name: "admin" | "metrics";
  /** With a configuration to dump it must be a loopback address: nothing here asks who is calling. */
  readonly host: string;
  /** 0: any free port, see `port`. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
  /** What keeps the agent from serving, one short text each; empty = ready. */
  readonly pending: () => readonly string[];
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  /** Absent: not served. */
  readonly configDump?: () => unknown;
  /** Likewise. */
  readonly endpoints?: (service: string) => Promise<LiveEndpoints>;
  readonly protection?: (scopes: readonly string[], quotas: readonly string[]) => Promise<LiveProtection>;
}

/** A status and a body; what throws is answered with 500. */
interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";

export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #server: Server;
  #state: "new" | "starting" | "listening" | "closed" = "new";
  #retry: Timer | undefined;
  #saidTaken = false;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.headersTimeout = REQUEST_TIMEOUT_MS;
    this.#server.on("error", (error: NodeJS.ErrnoException) => this.#listenFailed(error));
    this.#server.on("listening", () => this.#opened());
  }

  /** The port it listens on, undefined as long as it does not. */
  get port(): number | undefined {
    const address = this.#server.address() as AddressInfo | null;
    return this.#state === "listening" ? address?.port : undefined;
  }

  /** Returns at once; also after `close`. Throws HawserError("admin-not-loopback") for an address that others could reach. */
  start(): void {
    const { configDump, host } = this.#options;
    if (configDump !== undefined && !isLoopback(host)) {
      throw new HawserError("admin-not-loopback", `Admin address ${host} is not a loopback address`);
    }
    this.#state = "starting";
    this.#listen();
  }

  async close(): Promise<void> {
    const wasListening = this.#state === "listening";
    this.#state = "closed";
    this.#retry?.cancel();
    if (!wasListening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #listen(): void {
    if (this.#state !== "starting") return;
    this.#server.listen({ host: this.#options.host, port: this.#options.port, exclusive: true });
  }

  #opened(): void {
    this.#state = "listening";
    const { name, log, host } = this.#options;
    log.info({ event: `${name}-listening`, host, port: this.port }, `The ${name} port is open`);
  }

  #listenFailed(error: NodeJS.ErrnoException): void {
    const { name, log, host, port, clock } = this.#options;
    if (this.#state !== "starting") {
      log.warn({ event: "admin-error", error: describeError(error) }, "Admin server reported an error");
      return;
    }
    if (!this.#saidTaken) {
      this.#saidTaken = true;
      const fields = { event: `${name}-port-taken`, host, port, error: describeError(error) };
      log.warn(fields, `The ${name} port cannot be opened yet, trying again until it can`);
    }
    this.#retry = clock.after(PORT_RETRY_MS, () => this.#listen());
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.#answer(request).then(
      (answer) => send(request, response, answer),
      (error: unknown) => {
        this.#options.log.error(
          { event: "admin-failed", path: request.url, error: describeError(error) },
          "Admin request failed",
        );
        send(request, response, { status: 500, contentType: TEXT, body: "internal error, see the log\n" });
      },
    );
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return { status: 405, contentType: TEXT, body: "only GET and HEAD\n" };
    }
    const [path, query = ""] = (request.url ?? "/").split("?", 2);
    switch (path) {
      case "/livez":
        return { status: 200, contentType: TEXT, body: "alive\n" };
      case "/readyz":
        return readiness(this.#options.pending());
      case "/metrics": {
        const { contentType } = this.#options.metrics;
        return { status: 200, contentType, body: await this.#options.metrics.text() };
      }
      case "/config_dump":
        if (this.#options.configDump !== undefined) return dumped(this.#options.configDump());
        return this.#notFound();
      case "/endpoints":
        return await this.#endpoints(new URLSearchParams(query).get("service"));
      case "/protection":
        return await this.#protection(new URLSearchParams(query));
      default:
        return this.#notFound();
    }
  }

  async #endpoints(service: string | null): Promise<Answer> {
    if (this.#options.endpoints === undefined) return this.#notFound();
    if (service === null || !/^[^/]+\/[^/]+$/.test(service)) {
      return { status: 400, contentType: TEXT, body: "whose? /endpoints?service=NAMESPACE/NAME\n" };
    }
    return dumped(await this.#options.endpoints(service));
  }

  async #protection(asked: URLSearchParams): Promise<Answer> {
    if (this.#options.protection === undefined) return this.#notFound();
    const scopes = asked.getAll("scope");
    const quotas = asked.getAll("quota");
    if (scopes.length + quotas.length === 0) {
      return { status: 400, contentType: TEXT, body: "of what? /protection?scope=SCOPE&quota=NAME\n" };
    }
    return dumped(await this.#options.protection(scopes, quotas));
  }

  #notFound(): Answer {
    const more = this.#options.configDump === undefined ? "" : " /config_dump /endpoints /protection";
    return { status: 404, contentType: TEXT, body: `try /livez /readyz /metrics${more}\n` };
  }
}

function dumped(configuration: unknown): Answer {
  const body = `${JSON.stringify(withoutSecrets(configuration), null, 2)}\n`;
  return { status: 200, contentType: JSON_TYPE, body };
}

function readiness(pending: readonly string[]): Answer {
  if (pending.length === 0) return { status: 200, contentType: TEXT, body: "ready\n" };
  return { status: 503, contentType: TEXT, body: pending.map((item) => `pending: ${item}\n`).join("") };
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    "content-type": answer.contentType,
    "content-length": Buffer.byteLength(answer.body),
    "cache-control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}
