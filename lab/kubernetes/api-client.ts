/** The lab's own client of its API server: a thin HTTPS client with the admin's token. */
import { Agent, request } from "node:https";
import { createInterface } from "node:readline";
import type { IncomingMessage } from "node:http";
import { KubeError } from "../../kubernetes/kube-client.ts";
import type { KubeClient, KubeQuery, KubeWatchEvent, PatchType } from "../../kubernetes/kube-client.ts";
import type { ApiServerAccess } from "./control-plane.ts";

const REQUEST_TIMEOUT_MS = 15_000;

interface Call {
  readonly method: string;
  readonly path: string;
  readonly query?: KubeQuery | undefined;
  readonly type?: string;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

export class ApiClient implements KubeClient {
  readonly #access: ApiServerAccess;
  readonly #agent: Agent;

  constructor(access: ApiServerAccess) {
    this.#access = access;
    this.#agent = new Agent({ keepAlive: true, ca: access.rootPem, maxSockets: 50 });
  }

  get<T>(path: string, query?: KubeQuery): Promise<T> {
    return this.#json({ method: "GET", path, query });
  }

  create<T>(path: string, body: object, query?: KubeQuery): Promise<T> {
    return this.#json({ method: "POST", path, query, type: "application/json", body });
  }

  replace<T>(path: string, body: object, query?: KubeQuery): Promise<T> {
    return this.#json({ method: "PUT", path, query, type: "application/json", body });
  }

  patch<T>(path: string, type: PatchType, body: object, query?: KubeQuery): Promise<T> {
    return this.#json({ method: "PATCH", path, query, type, body });
  }

  async delete(path: string, query?: KubeQuery): Promise<void> {
    await this.#json({ method: "DELETE", path, query });
  }

  async watch<T>(
    path: string,
    query: KubeQuery,
    onEvent: (event: KubeWatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const answer = await this.#send({ method: "GET", path, query: { ...query, watch: true }, signal });
    try {
      for await (const line of createInterface({ input: answer })) onEvent(JSON.parse(line) as KubeWatchEvent<T>);
    } catch (cause) {
      throw new KubeError(`Watch of ${path} broke`, 0, "", { cause });
    }
  }

  async #json<T>(call: Call): Promise<T> {
    const answer = await this.#send({ ...call, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    return JSON.parse(await textOf(answer)) as T;
  }

  async #send(call: Call): Promise<IncomingMessage> {
    const answer = await this.#request(call);
    if ((answer.statusCode ?? 0) < 300) return answer;
    const text = await textOf(answer);
    const status = text.startsWith("{") ? (JSON.parse(text) as { message?: string; reason?: string }) : {};
    const message = `${call.method} ${call.path}: ${status.message ?? text}`;
    throw new KubeError(message, answer.statusCode ?? 0, status.reason ?? "");
  }

  #request({ method, path, query = {}, type, body, signal }: Call): Promise<IncomingMessage> {
    const url = new URL(path, this.#access.server);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, `${value}`);
    const headers = {
      authorization: `Bearer ${this.#access.token}`,
      accept: "application/json",
      ...(type === undefined ? {} : { "content-type": type }),
    };
    return new Promise((resolve, reject) => {
      const outgoing = request(url, {
        method,
        headers,
        agent: this.#agent,
        ...(signal === undefined ? {} : { signal }),
      });
      outgoing.on("response", resolve);
      outgoing.on("error", (cause) => reject(new KubeError(`${method} ${path} failed`, 0, "", { cause })));
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
