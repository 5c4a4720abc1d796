/** What every `RunCommand` promises, with real programs: one suite for all implementations. */
import { chmod, open, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { TestFn } from "ava";
import type { RunCommand } from "../../core/run-command.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** More than a pipe holds (64 KB), so that both sides must take turns. */
const LARGE = "0123456789abcdef".repeat(100_000);

/** One at a time: they count the descriptors of the process, and set its PATH. */
export function runCommandContract(test: TestFn, run: RunCommand): void {
  test.serial("the exit code is told, whatever it is, with everything printed", async (t) => {
    const script = "echo out; echo err >&2; exit 7";
    t.deepEqual(await run(["sh", "-c", script]), { exitCode: 7, stdout: "out\n", stderr: "err\n" });
    t.deepEqual(await run(["true"]), { exitCode: 0, stdout: "", stderr: "" });
  });

  test.serial("words arrive as they are, without a shell", async (t) => {
    const words = ["a b", "$HOME", "*", "", `"'\\`, "ü"];
    const { stdout } = await run(["printf", "%s\n", ...words]);
    t.is(stdout, `${words.join("\n")}\n`);
  });

  test.serial("input is written and closed; without input there is none", async (t) => {
    t.is((await run(["cat"], { input: "héllo" })).stdout, "héllo");
    t.is((await run(["cat"])).stdout, "");
    const { stdout, exitCode } = await run(["cat"], { input: LARGE });
    t.true(stdout === LARGE);
    t.is(exitCode, 0);
  });

  test.serial("a program that does not read its input is judged by its exit code", async (t) => {
    t.is((await run(["sh", "-c", "exec <&-; exit 3"], { input: LARGE })).exitCode, 3);
  });

  test.serial("characters that are cut between two reads are whole", async (t) => {
    const { stdout } = await run(["cat"], { input: "€".repeat(200_000) });
    t.true(stdout === "€".repeat(200_000));
  });

  test.serial("a program that is killed has failed", async (t) => {
    t.is((await run(["sh", "-c", "kill -TERM $$"])).exitCode, 129);
  });

  test.serial("a program that takes too long is killed, and the call fails", async (t) => {
    const startedMs = performance.now();
    await t.throwsAsync(run(["sleep", "60"], { timeoutMs: 50 }), {
      code: "command-timeout",
      message: /sleep 60.*50 ms/,
    });
    // It may have closed its output long before.
    await t.throwsAsync(run(["sh", "-c", "exec >&- 2>&-; exec sleep 60"], { timeoutMs: 50 }), {
      code: "command-timeout",
    });
    t.true(performance.now() - startedMs < 30_000);
  });

  test.serial("what cannot be started is told by name", async (t) => {
    const directory = await temporaryDirectory(t);
    const notExecutable = path.join(directory, "plain");
    await writeFile(notExecutable, "#!/bin/sh\n");
    for (const name of ["hawser-no-such-program", notExecutable, directory]) {
      await t.throwsAsync(run([name]), { code: "command-not-started", message: new RegExp(name) });
    }
    await t.throwsAsync(run([]), { code: "empty-command" });
    await t.throwsAsync(run(["echo", "a\0b"]), undefined, "a word that C would cut");
  });

  test.serial("programs are found on PATH as it is now", async (t) => {
    const directory = await temporaryDirectory(t);
    const program = path.join(directory, "hawser-on-path");
    await writeFile(program, "#!/bin/sh\necho found $HAWSER_TEST\n");
    await chmod(program, 0o755);
    const before = process.env["PATH"];
    process.env["PATH"] = `${directory}:${before}`;
    process.env["HAWSER_TEST"] = "here";
    try {
      t.is((await run(["hawser-on-path"])).stdout, "found here\n");
    } finally {
      process.env["PATH"] = before;
      delete process.env["HAWSER_TEST"];
    }
  });

  test.serial("a program has its three streams, default signals, and nothing of ours", async (t) => {
    // What whoever started this process left open is not ours to close.
    const inherited = (await run(["ls", "/proc/self/fd"])).stdout;
    const handle = await open("/dev/null");
    t.is((await run(["ls", "/proc/self/fd"])).stdout, inherited);
    await handle.close();
    t.regex((await run(["cat", "/proc/self/status"])).stdout, /SigBlk:\t0+\nSigIgn:\t0+\n/);
  });

  test.serial("neither descriptors nor zombies stay, however it ended", async (t) => {
    const kinds: readonly (() => Promise<unknown>)[] = [
      () => run(["cat"], { input: "x" }),
      () => run(["false"]),
      () => run(["sleep", "60"], { timeoutMs: 10 }),
      () => run(["hawser-no-such-program"]),
    ];
    const all = () => Promise.allSettled(kinds.flatMap((kind) => Array.from({ length: 5 }, kind)));
    await all();
    const before = (await readdir("/proc/self/fd")).length;
    await all();
    t.is((await readdir("/proc/self/fd")).length, before);
    const { stdout } = await run(["ps", "-o", "stat=,comm=", "--ppid", `${process.pid}`]);
    t.false(/^Z/m.test(stdout), stdout);
  });

  test.serial("many at once are kept apart", async (t) => {
    const numbers = Array.from({ length: 20 }, (_, index) => `${index}`);
    const results = await Promise.all(numbers.map((number) => run(["cat"], { input: number })));
    t.deepEqual(
      results.map(({ stdout }) => stdout),
      numbers,
    );
  });
}
