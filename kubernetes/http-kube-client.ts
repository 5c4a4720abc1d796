/**
 * The client of an API server over node:https: JSON in, JSON out, connections kept alive, everything bounded in time, size
 * and number.
 *
 *   request --> wait for a slot --> credentials --> exchange --2xx--> JSON
 *                                       ^              |--401, first time--> credentials are read anew
 *                                       +--------------+--429--> Retry-After, at most so many tries
 *                                                      \--anything else--> KubeError
 *
 * Watches have connections of their own: they last for minutes, and must not keep requests waiting.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestOverHttp, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as requestOverHttps } from "node:https";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { Turns } from "../core/turns.ts";
import { packageVersion } from "../core/version.ts";
import { readAnswer } from "./api-answer.ts";
import type { CredentialSource } from "./credentials.ts";
import { type KubeClient, KubeError, type KubeQuery, type KubeWatchEvent, noAnswer } from "./kube-client.ts";
import type { PatchType } from "./kube-client.ts";
import type { KubeMetrics } from "./kube-metrics.ts";
import { limits, reflectorBackoff, timers } from "./limits.ts";
import { readWatch } from "./watch-stream.ts";

export interface HttpKubeClientOptions {
  readonly credentials: CredentialSource;
  readonly metrics: KubeMetrics;
  readonly clock: Clock;
  readonly random: () => number;
}

interface Call {
  readonly verb: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "WATCH";
  readonly path: string;
  readonly query: KubeQuery;
  readonly body?: { readonly type: string; readonly text: string };
}

const JSON_TYPE = "application/json";

export class HttpKubeClient implements KubeClient {
  readonly #options: HttpKubeClientOptions;
  readonly #turns = new Turns({ atOnce: limits.requestsAtOnce, waiting: limits.requestsWaiting });
  readonly #agent: HttpAgent;
  readonly #watchAgent: HttpAgent;

  constructor(options: HttpKubeClientOptions) {
    this.#options = options;
    const { protocol } = options.credentials.server;
    this.#agent = agentFor(protocol, limits.requestsAtOnce);
    this.#watchAgent = agentFor(protocol, limits.watchesAtOnce);
  }

  get<T>(path: string, query: KubeQuery = {}): Promise<T> {
    return this.#request({ verb: "GET", path, query });
  }

  create<T>(path: string, body: object, query: KubeQuery = {}): Promise<T> {
    return this.#request({ verb: "POST", path, query, body: bodyOf(JSON_TYPE, body) });
  }

  replace<T>(path: string, body: object, query: KubeQuery = {}): Promise<T> {
    return this.#request({ verb: "PUT", path, query, body: bodyOf(JSON_TYPE, body) });
  }

  patch<T>(path: string, type: PatchType, body: object, query: KubeQuery = {}): Promise<T> {
    return this.#request({ verb: "PATCH", path, query, body: bodyOf(type, body) });
  }

  async delete(path: string, query: KubeQuery = {}): Promise<void> {
    await this.#request({ verb: "DELETE", path, query });
  }

  async watch<T>(
    path: string,
    query: KubeQuery,
    onEvent: (event: KubeWatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const call: Call = { verb: "WATCH", path, query: { timeoutSeconds: timers.watchSeconds, ...query, watch: true } };
    const response = await this.#withinTime(timers.watchOpenMs, nameOf(call), signal, (limited) =>
      this.#openWatch(call, limited),
    );
    const abort = (): void => void response.destroy();
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      await readWatch<T>({ response, call: nameOf(call), onEvent, clock: this.#options.clock });
    } catch (error) {
      throw signal.aborted ? noAnswer("Aborted", `${nameOf(call)} was ended`, error) : error;
    } finally {
      signal.removeEventListener("abort", abort);
      response.destroy();
    }
  }

  /** Ends idle connections. What is under way comes to its end. */
  close(): void {
    this.#agent.destroy();
    this.#watchAgent.destroy();
  }

  async #request<T>(call: Call): Promise<T> {
    const { clock, metrics } = this.#options;
    const beganMs = clock.monotonicMs();
    try {
      const answer = await this.#withinTime(timers.requestMs, nameOf(call), undefined, async (signal) => {
        const read = async (response: IncomingMessage): Promise<T> => await readAnswer<T>(response, nameOf(call));
        const turn = this.#turns.take(() => this.#try(call, signal, read), signal);
        if (turn === undefined) {
          throw noAnswer("TooMuch", `More than ${limits.requestsWaiting} requests wait for the API server`);
        }
        const body = await turn;
        signal.throwIfAborted();
        return body as T;
      });
      metrics.request?.(call.verb, 200, (clock.monotonicMs() - beganMs) / 1_000);
      return answer;
    } catch (error) {
      const { status, reason } = error as KubeError;
      metrics.request?.(call.verb, status, (clock.monotonicMs() - beganMs) / 1_000);
      if (reason === "TooMuch") metrics.limitHit?.("responseBytes");
      throw error;
    }
  }

  #openWatch(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    return this.#try(call, signal, async (response) => {
      if (response.statusCode !== 200) await readAnswer(response, nameOf(call));
      return response;
    });
  }

  /** Once more where that is safe and of use. */
  async #try<R>(call: Call, signal: AbortSignal, read: (response: IncomingMessage) => Promise<R>): Promise<R> {
    for (let tries = 1; ; tries++) {
      try {
        return await read(await this.#exchange(call, signal));
      } catch (error) {
        const waitMs = this.#waitBeforeNextTry(error, tries);
        if (waitMs === undefined) throw error;
        await this.#pause(waitMs, signal);
      }
    }
  }

  #waitBeforeNextTry(error: unknown, tries: number): number | undefined {
    if (!(error instanceof KubeError) || tries >= limits.tries) return undefined;
    if (error.status === 401 && tries === 1) {
      // A token that ended between two readings of its file.
      this.#options.credentials.forget();
      return 0;
    }
    if (error.status !== 429) return undefined;
    return error.retryAfterMs ?? backoffMs(reflectorBackoff, tries, this.#options.random);
  }

  async #exchange(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const { credentials: source } = this.#options;
    const { tls, headers, agent } = await source.current().catch((cause: unknown) => {
      throw noAnswer("NoCredentials", `No credentials for ${nameOf(call)}`, cause);
    });
    const ours = call.verb === "WATCH" ? this.#watchAgent : this.#agent;
    const { body } = call;
    const sent = {
      accept: JSON_TYPE,
      "user-agent": `hawser/${packageVersion}`,
      ...(body === undefined ? {} : { "content-type": body.type, "content-length": Buffer.byteLength(body.text) }),
    };
    return await exchange(urlOf(source.server, call), body?.text, {
      ...tls,
      method: call.verb === "WATCH" ? "GET" : call.verb,
      headers: { ...headers, ...sent },
      agent: agent ?? ours,
      signal,
    });
  }

  /** Calls `work` with a signal that fires after `limitMs`, or when the caller's own does. */
  async #withinTime<R>(
    limitMs: number,
    call: string,
    outer: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<R>,
  ): Promise<R> {
    const ending = new AbortController();
    const late = noAnswer("TimedOut", `${call} had no answer within ${limitMs / 1_000} s`);
    const timer = this.#options.clock.after(limitMs, () => ending.abort(late));
    const onAbort = (): void => ending.abort(noAnswer("Aborted", `${call} was ended`));
    outer?.addEventListener("abort", onAbort, { once: true });
    if (outer?.aborted === true) onAbort();
    try {
      return await work(ending.signal);
    } catch (error) {
      // Whatever broke, it broke because of that.
      if (ending.signal.aborted) throw ending.signal.reason;
      throw error instanceof KubeError ? error : noAnswer("Unreachable", `${call} failed`, error);
    } finally {
      timer.cancel();
      outer?.removeEventListener("abort", onAbort);
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(ms, resolve);
    const onAbort = (): void => {
      timer.cancel();
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }
}

function agentFor(protocol: string, maxSockets: number): HttpAgent {
  const options = {
    keepAlive: true,
    keepAliveMsecs: timers.keepAliveMs,
    maxSockets,
    timeout: timers.idleConnectionMs,
  };
  return protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options);
}

/** Resolves with the head of the answer; whoever reads its body has the signal end it. */
function exchange(url: URL, body: string | undefined, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const open = url.protocol === "https:" ? requestOverHttps : requestOverHttp;
    const request = open(url, options, resolve);
    request.on("error", (cause) => reject(noAnswer("Unreachable", `Cannot reach the API server ${url.host}`, cause)));
    request.end(body);
  });
}

function urlOf(server: URL, { path, query }: Call): URL {
  const url = new URL(server);
  // An API server behind a gateway has a path of its own.
  url.pathname = `${server.pathname.replace(/\/$/, "")}${path}`;
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

function bodyOf(type: string, body: object): NonNullable<Call["body"]> {
  return { type, text: JSON.stringify(body) };
}

function nameOf({ verb, path }: Call): string {
  return `${verb} ${path}`;
}
