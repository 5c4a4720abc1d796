import test from "ava";
import { spawnCommand } from "../../../../agent/programs/spawn-command.ts";
import { runCommandContract } from "../../../support/run-command-contract.ts";

runCommandContract(test, spawnCommand);
