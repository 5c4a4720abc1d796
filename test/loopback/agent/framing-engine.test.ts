/** The engine of our own framing, both ends, through the contract. */
import test from "ava";
import { FramingAcceptor } from "../../../agent/tunnel/framing/framing-acceptor.ts";
import { FramingClientTunnel } from "../../../agent/tunnel/framing/framing-client-tunnel.ts";
import { tunnelEngineContract } from "../../support/tunnel-engine-contract.ts";

tunnelEngineContract(test, {
  name: "framing",
  dial: (options) => new FramingClientTunnel(options),
  acceptor: (options) => new FramingAcceptor(options),
});
