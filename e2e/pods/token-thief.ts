/**
 * Program run in a pod: opens a channel to the controller with a token it got hold of, asks for a certificate of any identity,
 * and prints a `TheftResult` as JSON. Usage: `node token-thief.ts '<TheftOptions as JSON>'`.
 */
import { readFileSync } from "node:fs";
import { WebSocket } from "ws";
import { createCertificateRequest } from "../../agent/identity/certificate-request.ts";
import { CHANNEL_PATH, CHANNEL_SUBPROTOCOL } from "../../protocol/channel.ts";

export interface TheftOptions {
  /** `wss://host:port` of a controller. */
  readonly controller: string;
  readonly token: { readonly file: string } | { readonly text: string };
  /** What the hello says. */
  readonly node: string;
  readonly identity: string;
}

/** What the controller did: answered HTTP instead of a channel, closed it, or answered the request. */
export interface TheftResult {
  readonly httpStatus?: number;
  readonly closed?: string;
  readonly answer?: { readonly kind: string; readonly reason?: string };
}

const TIMEOUT_MS = 10_000;

const options = JSON.parse(process.argv[2] ?? "{}") as TheftOptions;
const token = "file" in options.token ? readFileSync(options.token.file, "utf8").trim() : options.token.text;
const { csrPem } = await createCertificateRequest(options.identity);
const socket = new WebSocket(`${options.controller}${CHANNEL_PATH}`, CHANNEL_SUBPROTOCOL, {
  headers: { authorization: `Bearer ${token}` },
  // A thief does not mind whom it robs.
  rejectUnauthorized: false,
});

function tell(result: TheftResult): void {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

setTimeout(() => tell({ closed: "timeout" }), TIMEOUT_MS);
socket.on("unexpected-response", (_request, response) => tell({ httpStatus: response.statusCode ?? 0 }));
socket.on("error", (error) => tell({ closed: error.message }));
socket.on("close", (code, reason) => tell({ closed: `${code} ${reason.toString()}` }));
socket.on("open", () => {
  const hello = { kind: "hello", node: options.node, version: "0.0.0", instance: "thief" };
  for (const message of [hello, { kind: "sign", requestId: 1, csr: csrPem }]) socket.send(JSON.stringify(message));
});
socket.on("message", (data: Buffer, isBinary) => {
  if (isBinary) return;
  const message = JSON.parse(data.toString()) as { kind: string; reason?: string };
  if (message.kind !== "certificate" && message.kind !== "sign-refused") return;
  tell({ answer: { kind: message.kind, ...(message.reason === undefined ? {} : { reason: message.reason }) } });
});
