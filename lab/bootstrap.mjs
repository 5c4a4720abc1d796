/**
 * The entrance to everything: `node lab/bootstrap.mjs up|test|test:kubernetes|check|bench ARGS` installs what is missing, then runs the rest
 * of the command on the project's own Node.
 *
 * Plain JavaScript for the Node that happens to be on the machine (18 or newer), with no dependency. What it says goes
 * to standard error: standard output belongs to the command.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { installDebianPackages, systemPath } from "./bootstrap/debian-packages.mjs";
import { installNpmPackages } from "./bootstrap/npm-packages.mjs";

const ROOT = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "..");
const COMMANDS = {
  up: { program: "lab/up.ts", system: "required" },
  test: { program: "lab/testing/run-tests.ts", system: "wanted", purpose: "tests" },
  "test:kubernetes": { program: "lab/testing/run-kubernetes-tests.ts", system: "wanted", purpose: "tests" },
  check: { program: "lab/testing/run-check.ts" },
  bench: { program: "bench/main.ts", system: "required", purpose: "bench" },
};

const [name = "up", ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) fail(`Unknown command ${name}, it must be one of ${Object.keys(COMMANDS).join(", ")}`);
const asksForHelp = args.some((argument) => argument === "--help" || argument === "-h");
if (process.platform !== "linux") fail("Hawser runs on Linux: it needs network namespaces and iptables");

try {
  installNpmPackages(ROOT);
  if (command.system !== undefined && !asksForHelp) installSystem(command);
} catch (error) {
  fail(error.message);
}
run(path.join(ROOT, "node_modules/.bin/node"), [path.join(ROOT, command.program), ...args]);

/** Tests can be run without: the stories that need namespaces are then skipped, and say so. */
function installSystem({ system, purpose }) {
  const required = system === "required";
  let missing;
  try {
    missing = installDebianPackages({ purpose });
  } catch (error) {
    missing = error.message;
  }
  if (missing === undefined) return;
  if (required) fail(missing);
  console.error(`${missing}\nGoing on without: tests that need them are skipped.`);
}

/** The child dies with us whatever kills us; signals for us are passed on. */
function run(program, argv) {
  const bin = path.join(ROOT, "node_modules/.bin");
  const env = { ...process.env, PATH: `${bin}:${systemPath()}` };
  const guard = hasSetpriv() ? ["setpriv", "--pdeathsig", "KILL"] : [];
  const [file, ...rest] = [...guard, program, ...argv];
  const child = spawn(file, rest, { stdio: "inherit", env, cwd: ROOT });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`Cannot start ${file}: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 1));
  if (process.env.npm_lifecycle_event !== undefined) endWithNpm(child);
}

function hasSetpriv() {
  return spawnSync("setpriv", ["--version"], { stdio: "ignore" }).status === 0;
}

/** npm runs scripts through a shell, which lives on when npm is killed outright. */
function endWithNpm(child) {
  const before = ancestors();
  setInterval(() => {
    if (ancestors() !== before) child.kill("SIGTERM");
  }, 250).unref();
}

/** Our parent, and when that is npm's shell also its parent. */
function ancestors() {
  const stat = statOf(process.ppid);
  return /^\d+ \((sh|dash|bash)\)/.test(stat)
    ? `${process.ppid} ${stat.split(") ")[1]?.split(" ")[1]}`
    : `${process.ppid}`;
}

function statOf(pid) {
  const file = `/proc/${pid}/stat`;
  try {
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  } catch {
    return "";
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
