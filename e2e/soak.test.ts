/** The shortest soak there is: after half a minute of every kind of traffic nothing is left. */
import path from "node:path";
import type { SoakResult } from "../bench/soak/soak-result.ts";
import { runCommand } from "../core/run-command.ts";
import { story } from "./support/story.ts";

const PROGRAM = path.resolve(import.meta.dirname, "../bench/main.ts");

story(
  "after half a minute of mixed HTTP and gRPC at full speed, no request, connection, socket or timer is left",
  async (t) => {
    const argv = [process.execPath, PROGRAM, "soak", "--minutes", "0.5", "--json"];
    const { exitCode, stdout, stderr } = await runCommand(argv, { timeoutMs: 150_000 });
    t.is(exitCode, 0, `${stdout}${stderr}`);
    const { traffic, agents, verdicts } = JSON.parse(stdout) as SoakResult;
    t.log(traffic);
    t.is(agents.length, 2);
    t.deepEqual(
      Object.keys(traffic).filter((kind) => kind.startsWith("error ")),
      [],
    );
    t.is(traffic["errors"], 0);
    for (const kind of [
      "keptAlive",
      "shortConnections",
      "bodies",
      "chunkedBodies",
      "leftWaiting",
      "leftSending",
      "sentAhead",
      "http2",
      "http2Bodies",
      "http2ToHttp1",
      "http2ResetWaiting",
      "http2ResetSending",
      "http2ResetReading",
      "http2Cut",
      "http2LeftInOrder",
      "grpcUnary",
      "grpcRepeat",
      "grpcChat",
      "grpcCancelled",
      "grpcLate",
    ]) {
      t.true((traffic[kind] ?? 0) > 0, kind);
    }
    t.true(verdicts.every(({ ok }) => ok));
  },
);
