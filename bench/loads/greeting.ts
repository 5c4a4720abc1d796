/** A server that speaks first: from connect to the first byte of MariaDB's greeting, one connection after the other. */
import path from "node:path";
import { HawserError } from "../../core/errors.ts";
import { median } from "../statistics.ts";
import { CLIENT_POD } from "../world/services.ts";
import type { Load } from "./load.ts";
import { requireEndpoint } from "./require-endpoint.ts";

const PROGRAM = path.resolve(import.meta.dirname, "../../e2e/pods/first-byte.ts");
const CONNECTIONS = 100;
/** Node's start, and a hundred connections of a millisecond or two. */
const SECONDS = 0.6;

export const greeting: Load = {
  id: "greeting",
  group: "greeting",
  title: "MariaDB's greeting, from connect to the first byte",
  metrics: ["greetingMs"],
  repeat: "every round",
  secondsPerSlice: () => SECONDS,
  suits: ({ endpointOf }) => endpointOf("greeting") !== undefined,
  run: async (variant) => {
    const { host, port } = requireEndpoint(variant, "greeting");
    const argv = [process.execPath, PROGRAM, host, `${port}`, `${CONNECTIONS}`];
    const { exitCode, stdout, stderr } = await variant.lab.exec(CLIENT_POD, argv);
    if (exitCode !== 0) throw new HawserError("load-failed", `No greeting over ${variant.title}: ${stderr}`);
    return { greetingMs: median(JSON.parse(stdout) as number[]) };
  },
};
