/** All kinds of traffic of a soak at once, at full speed, for so many seconds; resolves with how much there was of each, and of each error. */
import path from "node:path";
import { HawserError } from "../../core/errors.ts";
import type { Lab } from "../../lab/lab-client.ts";
import { parseWrk } from "../loads/parse-wrk.ts";

/** Of cluster.yaml: the Service with the routes, and the pod that calls it. */
const SERVICE = { host: "10.96.0.81", port: 80 } as const;
const CLIENT = "soak/client";
const FIGURES_SCRIPT = path.resolve(import.meta.dirname, "../loads/wrk-figures.lua");
const CLIENT_PROGRAM = path.resolve(import.meta.dirname, "../pods/soak-client.ts");
/** Programs start and finish. */
const GRACE_MS = 15_000;

export async function sendTraffic(lab: Lab, seconds: number): Promise<Readonly<Record<string, number>>> {
  const [kept, short, others] = await Promise.all([
    wrk(lab, seconds, { connections: 32, headers: [] }),
    wrk(lab, seconds, { connections: 4, headers: ["-H", "Connection: close"] }),
    otherKinds(lab, seconds),
  ]);
  return {
    keptAlive: kept.requests,
    shortConnections: short.requests,
    ...others,
    // wrk's: late is what took 2 s, which on a machine that is busy otherwise is no fault.
    late: kept.timeouts + short.timeouts,
    errors: kept.errors + short.errors - kept.timeouts - short.timeouts,
  };
}

async function wrk(
  lab: Lab,
  seconds: number,
  { connections, headers }: { readonly connections: number; readonly headers: readonly string[] },
) {
  const url = `http://${SERVICE.host}:${SERVICE.port}/small`;
  const flags = ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", FIGURES_SCRIPT, ...headers];
  return parseWrk(await output(lab, ["wrk", ...flags, url, "--", `${connections}`, "0"], seconds));
}

async function otherKinds(lab: Lab, seconds: number): Promise<Readonly<Record<string, number>>> {
  const argv = [process.execPath, CLIENT_PROGRAM, SERVICE.host, `${SERVICE.port}`, `${seconds}`];
  return JSON.parse(await output(lab, argv, seconds)) as Record<string, number>;
}

async function output(lab: Lab, argv: readonly string[], seconds: number): Promise<string> {
  const result = await lab.exec(CLIENT, argv, { timeoutMs: seconds * 1_000 + GRACE_MS });
  if (result.exitCode === 0) return result.stdout;
  throw new HawserError("load-failed", `${argv.join(" ")}: ${result.stdout}${result.stderr}`);
}
