import test from "ava";
import { runCommand } from "../../../core/run-command.ts";
import { runCommandContract } from "../../support/run-command-contract.ts";

runCommandContract(test, runCommand);
