/** Our own framing dials node:http2: the contract with the ends of two engines mixed. */
import test from "ava";
import { FramingClientTunnel } from "../../../agent/tunnel/framing/framing-client-tunnel.ts";
import { TunnelAcceptor } from "../../../agent/tunnel/tunnel-acceptor.ts";
import { tunnelEngineContract } from "../../support/tunnel-engine-contract.ts";

tunnelEngineContract(test, {
  name: "framing to node:http2",
  dial: (options) => new FramingClientTunnel(options),
  acceptor: (options) => new TunnelAcceptor(options),
});
