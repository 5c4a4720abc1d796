/** The smallest bench there is: what it prints is the document that everything else is made from. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BenchResult } from "../bench/bench-result.ts";
import { runCommand } from "../core/run-command.ts";
import { story } from "./support/story.ts";

const PROGRAM = path.resolve(import.meta.dirname, "../bench/main.ts");
const SMALLEST = ["--quick", "--loads", "calls-8", "--variants", "direct,hawser", "--json"];

story("the bench measures calls with and without the mesh, and keeps what it found", async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), "hawser-bench-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const argv = [process.execPath, PROGRAM, "proxies", ...SMALLEST, "--output", directory];
  const { exitCode, stdout, stderr } = await runCommand(argv, { timeoutMs: 60_000 });
  t.is(exitCode, 0, stderr);
  const result = JSON.parse(stdout) as BenchResult;
  t.is(result.format, 1);
  t.deepEqual(
    result.variants.map(({ name }) => name),
    ["direct", "hawser"],
  );
  t.is(result.loads.length, 1);
  const [direct, hawser] = result.loads[0]?.results ?? [];
  t.is(direct?.figures.errors?.median, 0);
  t.is(hawser?.figures.errors?.median, 0);
  t.true((direct?.figures.callsPerSecond?.median ?? 0) > 0);
  t.true((hawser?.figures.clientCpuUs?.median ?? 0) > 0, "CPU time of the callers' agent was seen");
  t.true((hawser?.figures.serverCpuUs?.median ?? 0) > 0, "CPU time of the called pod's agent was seen");
  t.is(typeof hawser?.figures.callsPerSecond?.toDirect, "number");
  t.is(hawser?.figures.callsPerSecond?.toBestPeer, undefined, "there is no peer in this run");
  t.deepEqual(JSON.parse(readFileSync(path.join(directory, "latest.json"), "utf8")), result);
  t.deepEqual(
    readdirSync(directory)
      .map((file) => path.extname(file))
      .sort(),
    [".json", ".md"],
    "a chart needs one of the figures that it shows",
  );
});

story("the bench refuses a load that it does not have", async (t) => {
  const { exitCode, stderr } = await runCommand([process.execPath, PROGRAM, "--loads", "smtp"]);
  t.is(exitCode, 1);
  t.regex(stderr, /There is no load smtp/);
});
