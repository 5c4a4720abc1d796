/** The relay over raw sockets, as pods' connections mostly are. */
import { relayContract } from "../../support/relay-contract.ts";
import { rawSocketPair } from "../../support/socket-pair.ts";

relayContract(rawSocketPair);
