/** The engine over node:http2, as the data worker loads it. */
import type { Engine } from "./engines.ts";
import { H2ClientTunnel } from "./h2-client-tunnel.ts";
import { TunnelAcceptor } from "./tunnel-acceptor.ts";

export const nodeHttp2Engine: Engine = {
  createTunnel: (options) => new H2ClientTunnel(options),
  createAcceptor: (options) => new TunnelAcceptor(options),
};
