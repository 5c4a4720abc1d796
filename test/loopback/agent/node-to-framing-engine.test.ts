/** node:http2 dials our own framing: the contract with the ends of two engines mixed. */
import test from "ava";
import { FramingAcceptor } from "../../../agent/tunnel/framing/framing-acceptor.ts";
import { H2ClientTunnel } from "../../../agent/tunnel/h2-client-tunnel.ts";
import { tunnelEngineContract } from "../../support/tunnel-engine-contract.ts";

tunnelEngineContract(test, {
  name: "node:http2 to framing",
  dial: (options) => new H2ClientTunnel(options),
  acceptor: (options) => new FramingAcceptor(options),
});
