/** All kinds of traffic of a soak at once, at full speed, for so many seconds; resolves with how much there was of each, and of each error. */
import path from "node:path";
import { HawserError } from "../../core/errors.ts";
import type { Lab } from "../../lab/lab-client.ts";
import { parseH2load } from "../loads/parse-h2load.ts";
import { parseWrk } from "../loads/parse-wrk.ts";

/** Of cluster.yaml: the Services with the routes, and the pod that calls them. */
const SERVICE = { host: "10.96.0.81", port: 80 } as const;
const HTTP2 = "10.96.0.81:81";
const GRPC = "10.96.0.82:82";
const CLIENT = "soak/client";
const FIGURES_SCRIPT = path.resolve(import.meta.dirname, "../loads/wrk-figures.lua");
const PODS = path.resolve(import.meta.dirname, "../pods");
/** Programs start and finish. */
const GRACE_MS = 15_000;

export async function sendTraffic(lab: Lab, seconds: number): Promise<Readonly<Record<string, number>>> {
  const [kept, short, http2, http1Kinds, http2Kinds] = await Promise.all([
    wrk(lab, seconds, { connections: 32, headers: [] }),
    wrk(lab, seconds, { connections: 4, headers: ["-H", "Connection: close"] }),
    h2load(lab, seconds),
    kinds(lab, seconds, "soak-client.ts", [SERVICE.host, `${SERVICE.port}`]),
    kinds(lab, seconds, "soak-h2-client.ts", [HTTP2, GRPC]),
  ]);
  return {
    keptAlive: kept.requests,
    shortConnections: short.requests,
    http2: http2.requests,
    ...http1Kinds,
    ...http2Kinds,
    // wrk's: late is what took 2 s, which on a machine that is busy otherwise is no fault.
    late: kept.timeouts + short.timeouts,
    errors: kept.errors + short.errors - kept.timeouts - short.timeouts + http2.errors,
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

/** Leaves with requests under way when its time is over. */
async function h2load(lab: Lab, seconds: number) {
  const flags = ["-t", "1", "-c", "4", "-m", "8", "-D", `${seconds}`];
  return parseH2load(await output(lab, ["h2load", ...flags, `http://${HTTP2}/small`], seconds));
}

async function kinds(
  lab: Lab,
  seconds: number,
  program: string,
  targets: readonly string[],
): Promise<Readonly<Record<string, number>>> {
  const argv = [process.execPath, path.join(PODS, program), ...targets, `${seconds}`];
  return JSON.parse(await output(lab, argv, seconds)) as Record<string, number>;
}

async function output(lab: Lab, argv: readonly string[], seconds: number): Promise<string> {
  const result = await lab.exec(CLIENT, argv, { timeoutMs: seconds * 1_000 + GRACE_MS });
  if (result.exitCode === 0) return result.stdout;
  throw new HawserError("load-failed", `${argv.join(" ")}: ${result.stdout}${result.stderr}`);
}
