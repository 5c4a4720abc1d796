/** The relay over Node's sockets: HTTP hands them over, and a Node without the internals has no others. */
import { relayContract } from "../../support/relay-contract.ts";
import { socketPair } from "../../support/socket-pair.ts";

relayContract(socketPair);
