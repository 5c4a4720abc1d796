/**
 * Installs the npm packages of the lockfile when they are missing or not those of the lockfile.
 *
 * npm writes what it installed to node_modules/.package-lock.json; the two are compared by version, so a checkout of
 * another commit is noticed and an unchanged one costs a few milliseconds.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { runStep } from "./run-step.mjs";

/** Throws with npm's own words when it fails. */
export function installNpmPackages(root) {
  if (isInstalled(root)) return;
  // Not `npm ci`: it refuses a lockfile written where a registry has only the Linux builds of optional packages.
  // `--no-save` leaves the lockfile as it is. No package of ours needs its install script, so none is run.
  const flags = ["--loglevel=warn", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
  runStep("installing npm packages", ["npm", "install", ...flags], { cwd: root });
  if (!isInstalled(root))
    throw new Error("npm installed other packages than the lockfile says, try again after: rm -r node_modules");
}

function isInstalled(root) {
  const wanted = packagesOf(path.join(root, "package-lock.json"));
  const found = packagesOf(path.join(root, "node_modules/.package-lock.json"));
  if (found === undefined || !existsSync(path.join(root, "node_modules/.bin/node"))) return false;
  return Object.entries(wanted ?? {}).every(([name, entry]) => {
    if (name === "") return true;
    const installed = found[name];
    // Packages for other processors are in the lockfile, but not installed.
    return installed === undefined ? entry.optional === true : installed.version === entry.version;
  });
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}
