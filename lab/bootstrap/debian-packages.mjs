/** Installs the Debian packages whose programs are missing: as root, or by sudo where that asks no password. */
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { runStep } from "./run-step.mjs";

/** Program -> the package that has it. Where a package has several programs that we run, one stands for all. */
const PROGRAMS = {
  ip: "iproute2",
  "iptables-nft-restore": "iptables",
  ipset: "ipset",
  nsenter: "util-linux",
  mount: "mount",
  sysctl: "procps",
  // Only nft can delete a table that was made for us.
  nft: "nftables",
};

/** What the tests run besides; none of these packages starts a service. */
const TEST_PROGRAMS = {
  conntrack: "conntrack",
  curl: "curl",
  h2load: "nghttp2-client",
  wrk: "wrk",
  mariadbd: "mariadb-server-core",
  mariadb: "mariadb-client-core",
};

/** What the bench cannot do without. Its peers are used where they are installed. */
const BENCH_PROGRAMS = { curl: "curl", h2load: "nghttp2-client", wrk: "wrk", iperf3: "iperf3" };

/** Their packages start services: installed unasked only where nobody works. Elsewhere their stories are skipped. */
const CI_PROGRAMS = { nginx: "nginx-light", "redis-server": "redis-server", "redis-cli": "redis-tools" };

// An ordinary user's PATH lacks /usr/sbin, where most of these are.
export function systemPath() {
  return `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;
}

/** The bench cannot do without nginx, but a person decides about a service. */
const ASKED_FOR_BENCH = { nginx: "nginx-light" };

/**
 * Undefined when nothing is missing any more, else what a person must do. Throws with apt's words when it fails.
 * `purpose`: `tests`, `bench`, or undefined for a lab alone.
 */
export function installDebianPackages({ purpose }) {
  const programs = { ...PROGRAMS, ...programsFor(purpose) };
  const packages = missingPackages(programs);
  if (packages.length === 0) return askedFor(purpose);
  const command = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  const prefix = privilegePrefix();
  if (!isInstalled("apt-get")) return `Programs are missing. Install what Debian calls: ${packages.join(" ")}`;
  if (prefix === undefined) return `Packages are missing. Run: sudo ${command}`;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  runStep("updating the package lists", [...prefix, "apt-get", "update", "-q"], { env });
  runStep(`installing ${packages.join(", ")}`, [...prefix, ...command.split(" ")], { env });
  const still = missingPackages(programs);
  return still.length === 0
    ? askedFor(purpose)
    : `Programs of ${still.join(", ")} are still missing after their installation`;
}

function programsFor(purpose) {
  const ci = process.env.CI ? CI_PROGRAMS : {};
  if (purpose === "tests") return { ...TEST_PROGRAMS, ...ci };
  return purpose === "bench" ? { ...BENCH_PROGRAMS, ...(process.env.CI ? ASKED_FOR_BENCH : {}) } : {};
}

function askedFor(purpose) {
  const packages = purpose === "bench" ? missingPackages(ASKED_FOR_BENCH) : [];
  if (packages.length === 0) return undefined;
  return `The bench needs a server to call. Run: sudo apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}

function missingPackages(programs) {
  const missing = Object.entries(programs).filter(([program]) => !isInstalled(program));
  return [...new Set(missing.map(([, name]) => name))];
}

function isInstalled(program) {
  return (
    systemPath()
      .split(":")
      // npm puts our own tools first, and one of them has the name of a system's program.
      .filter((directory) => !directory.includes("node_modules"))
      .some((directory) => isExecutable(path.join(directory, program)))
  );
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What to put before a command to run it as root; undefined when we may not. */
function privilegePrefix() {
  if (process.getuid?.() === 0) return [];
  return spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0 ? ["sudo", "-n"] : undefined;
}
