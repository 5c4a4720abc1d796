/** An admin port of an agent or a controller, however it is reached: what it answers to a GET, as JSON. */
import { request } from "node:http";
import type { Duplex } from "node:stream";
import { describeError, HawserError } from "../../core/errors.ts";

export interface AdminPort {
  /** For a sentence: `the agent of node-1`. */
  readonly name: string;
  /** Rejects with HawserError. */
  get(path: string): Promise<unknown>;
}

/** A person waits for it. */
const TIMEOUT_MS = 10_000;
/** A table of ten thousand pods has 5 MB. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** By its URL, as `kubectl port-forward` makes it, or on the machine itself. */
export function portAtUrl(url: string): AdminPort {
  if (!URL.canParse(url))
    throw new HawserError("wrong-url", `--url wants a URL such as http://127.0.0.1:15000, not ${url}`);
  return { name: url, get: async (path) => await read(url, new URL(path, url)) };
}

/** Over connections of one's own, one for each request. */
export function portOver(name: string, connect: () => Promise<Duplex>): AdminPort {
  return {
    name,
    get: async (path) => {
      const connection = await connect();
      try {
        return await read(name, new URL(path, "http://localhost"), connection);
      } finally {
        connection.destroy();
      }
    },
  };
}

async function read(name: string, url: URL, connection?: Duplex): Promise<unknown> {
  try {
    return JSON.parse(await readText(url, connection));
  } catch (cause) {
    throw new HawserError("no-admin-answer", `${name} gives no answer to ${url.pathname}: ${describeError(cause)}`, {
      cause,
    });
  }
}

function readText(url: URL, connection: Duplex | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const through = connection === undefined ? {} : { createConnection: () => connection };
    const headers = { connection: "close" };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const asked = request(url, { headers, signal, ...through }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > MAX_ANSWER_BYTES) asked.destroy(new HawserError("answer-too-large", "more than 256 MiB"));
      });
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(text);
        else
          reject(new HawserError("wrong-status", `HTTP status ${response.statusCode}, ${text.trim().slice(0, 200)}`));
      });
      response.on("error", reject);
    });
    asked.on("error", reject);
    asked.end();
  });
}
