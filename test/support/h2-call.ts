/** One call with Node's HTTP/2 client, to its end. */
import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";

export interface H2Result {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
  /** Statuses of what came before the answer. */
  readonly interim: readonly number[];
  /** 0: it ended in order. */
  readonly code: number;
}

/** Resolves also for a call that was reset, with what came of it. */
export async function h2Call(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<H2Result> {
  const stream = session.request(headers, { endStream: body === undefined });
  const result = { headers: {} as IncomingHttpHeaders, trailers: {} as IncomingHttpHeaders, interim: [] as number[] };
  const chunks: Buffer[] = [];
  stream.on("headers", (head) => result.interim.push(Number(head[":status"])));
  stream.on("response", (head) => (result.headers = head));
  stream.on("trailers", (trailers) => (result.trailers = trailers));
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  if (body !== undefined) stream.end(body);
  await new Promise((resolve) => stream.once("close", resolve));
  const status = result.headers[":status"];
  return {
    ...result,
    status: status === undefined ? undefined : Number(status),
    body: Buffer.concat(chunks),
    code: stream.rstCode,
  };
}
