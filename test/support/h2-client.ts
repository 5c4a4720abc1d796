/** A session of Node's HTTP/2 client with prior knowledge, with the world's data plane. */
import { once } from "node:events";
import http2, { type ClientHttp2Session, type ClientSessionOptions } from "node:http2";
import type { TearsDown } from "./http-origin.ts";
import type { HttpWorld } from "./http-world.ts";

export async function h2Client(
  t: TearsDown,
  world: HttpWorld,
  options: ClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const session = http2.connect(world.url, options);
  session.on("error", () => {});
  t.teardown(() => session.destroy());
  await once(session, "connect");
  return session;
}
