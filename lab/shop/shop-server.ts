/**
 * An HTTP/1.1 server of the shop: answers JSON, and says with every answer which pod on which node gave it.
 *
 * On SIGTERM it stops listening, finishes what it has begun, and the process ends.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { describeError } from "../../core/errors.ts";
import { type Environment, readPositiveNumber, type ShopSettings } from "./shop-settings.ts";

const DEFAULT_PORT = 8080;

/** Longer than any client keeps an idle connection, so that it is the client who closes it, without a race. */
const IDLE_TIMEOUT_MS = 60_000;
/** Whoever has not finished by then is cut off. */
const DRAIN_MS = 3000;

/** The answer's JSON value, or a promise of it. A rejection becomes 502: every failure here is that of a service behind this one. */
export type ShopHandler = (path: string) => unknown;

/** PORT, else the one of the pods in cluster.yaml. */
export function listenPort(env: Environment): number {
  return readPositiveNumber(env, "PORT", DEFAULT_PORT);
}

export function startShopServer(settings: ShopSettings, port: number, handler: ShopHandler): void {
  const server = createServer({ keepAliveTimeout: IDLE_TIMEOUT_MS }, (request, response) => {
    void answer(settings, handler, request, response);
  });
  server.listen(port, () => console.log(`${settings.pod} on ${settings.node} listens on ${port}`));
  process.once("SIGTERM", () => {
    server.close(() => process.exit(0));
    setTimeout(() => process.exit(0), DRAIN_MS).unref();
  });
}

async function answer(
  settings: ShopSettings,
  handler: ShopHandler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader("x-pod", settings.pod);
  response.setHeader("x-node", settings.node);
  try {
    sendJson(response, 200, await handler(request.url ?? "/"));
  } catch (error) {
    sendJson(response, 502, { error: describeError(error) });
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body);
}
