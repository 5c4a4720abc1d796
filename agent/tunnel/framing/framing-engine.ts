/** The engine of our own framing, as the data worker loads it. */
import type { Engine } from "../engines.ts";
import { FramingAcceptor } from "./framing-acceptor.ts";
import { FramingClientTunnel } from "./framing-client-tunnel.ts";

export const framingEngine: Engine = {
  createTunnel: (options) => new FramingClientTunnel(options),
  createAcceptor: (options) => new FramingAcceptor(options),
};
