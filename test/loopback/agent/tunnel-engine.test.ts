/** The tunnel engine over node:http2, both ends, through the contract. */
import test from "ava";
import { H2ClientTunnel } from "../../../agent/tunnel/h2-client-tunnel.ts";
import { TunnelAcceptor } from "../../../agent/tunnel/tunnel-acceptor.ts";
import { tunnelEngineContract } from "../../support/tunnel-engine-contract.ts";

tunnelEngineContract(test, {
  name: "node:http2",
  dial: (options) => new H2ClientTunnel(options),
  acceptor: (options) => new TunnelAcceptor(options),
});
