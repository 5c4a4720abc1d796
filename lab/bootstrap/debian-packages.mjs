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
  tcpdump: "tcpdump",
};

// An ordinary user's PATH lacks /usr/sbin, where most of these are.
export function systemPath() {
  return `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;
}

/** Undefined when nothing is missing any more, else what a person must do. Throws with apt's words when it fails. */
export function installDebianPackages() {
  const packages = missingPackages();
  if (packages.length === 0) return undefined;
  const command = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  const prefix = privilegePrefix();
  if (!isInstalled("apt-get")) return `Programs are missing. Install what Debian calls: ${packages.join(" ")}`;
  if (prefix === undefined) return `Packages are missing. Run: sudo ${command}`;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  runStep("updating the package lists", [...prefix, "apt-get", "update", "-q"], { env });
  runStep(`installing ${packages.join(", ")}`, [...prefix, ...command.split(" ")], { env });
  const still = missingPackages();
  return still.length === 0 ? undefined : `Programs of ${still.join(", ")} are still missing after their installation`;
}

function missingPackages() {
  const missing = Object.entries(PROGRAMS).filter(([program]) => !isInstalled(program));
  return [...new Set(missing.map(([, name]) => name))];
}

function isInstalled(program) {
  return systemPath()
    .split(":")
    .some((directory) => isExecutable(path.join(directory, program)));
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
