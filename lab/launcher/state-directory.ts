/**
 * Where a lab keeps its files: `$XDG_RUNTIME_DIR` (or /tmp) + `/hawser-lab-<uid>/<name>`, mode 0700.
 *
 * The directory is the claim on the name: it is made exclusively, and `lab.json` in it says which launcher owns it.
 * A process is known by pid and start time, so that a recycled pid is never taken for a living lab. Directories of
 * dead labs are removed when the next lab starts.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { HawserError } from "../../core/errors.ts";
import { processStartTicks } from "../cluster/process-usage.ts";

export interface LabRecord {
  readonly name: string;
  readonly stateDir: string;
  readonly launcherPid: number;
  readonly launcherStartTicks: number;
  /** The lab's first process as the host sees it; 0 until it has been started. */
  readonly initPid: number;
  readonly initStartTicks: number;
  /** False when root runs the lab where user namespaces are forbidden. */
  readonly userNamespace: boolean;
  readonly startedAtMs: number;
}

// control.sock must fit into sun_path (108 bytes) under the longest usual base directory.
const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;
/** A directory without lab.json is being claimed right now, unless it is older than this. */
const CLAIM_MS = 5_000;

export function labBaseDirectory(): string {
  return path.join(process.env["XDG_RUNTIME_DIR"] ?? "/tmp", `hawser-lab-${process.getuid?.() ?? 0}`);
}

/** Makes the state directory of a new lab. Throws `name-taken` while a lab of that name runs. */
export function claimStateDirectory(name: string): string {
  if (!NAME.test(name)) {
    throw new HawserError("bad-name", `Lab name ${JSON.stringify(name)} must be 1 to 40 of a-z, 0-9 and -`);
  }
  const base = ensureBaseDirectory();
  removeDeadLabs(base);
  const stateDir = path.join(base, name);
  try {
    mkdirSync(stateDir, { mode: 0o700 });
  } catch (cause) {
    throw new HawserError("name-taken", `A lab named ${name} is running, choose another with --name`, { cause });
  }
  return stateDir;
}

export function writeRecord(record: LabRecord): void {
  const file = path.join(record.stateDir, "lab.json");
  writeFileSync(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** The living labs of this user. */
export function listLabs(): readonly LabRecord[] {
  const base = labBaseDirectory();
  return directoriesIn(base)
    .map((name) => readRecord(path.join(base, name)))
    .filter((record) => record !== undefined)
    .filter(isAlive);
}

/** The lab of that name, or the only one that runs. */
export function findLab(name?: string): LabRecord {
  const labs = listLabs();
  const wanted = name === undefined ? labs : labs.filter((lab) => lab.name === name);
  const [first, second] = wanted;
  if (first === undefined) {
    const what = name === undefined ? "No lab is running" : `No lab named ${name} is running`;
    throw new HawserError("no-lab", `${what}, start one with: npm run up`);
  }
  if (second !== undefined) {
    throw new HawserError("many-labs", `Several labs are running, choose one with --name: ${labNames(labs)}`);
  }
  return first;
}

function labNames(labs: readonly LabRecord[]): string {
  return labs.map((lab) => lab.name).join(", ");
}

/** Refuses a base directory that someone else made in /tmp before us. */
function ensureBaseDirectory(): string {
  const base = labBaseDirectory();
  mkdirSync(base, { recursive: true, mode: 0o700 });
  const found = lstatSync(base);
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o022) !== 0) {
    throw new HawserError("unsafe-base", `${base} must be a directory of yours that nobody else can write to`);
  }
  return base;
}

function removeDeadLabs(base: string): void {
  for (const name of directoriesIn(base)) {
    const stateDir = path.join(base, name);
    const record = readRecord(stateDir);
    const dead = record === undefined ? !isYoung(stateDir) : !isAlive(record);
    if (dead) rmSync(stateDir, { recursive: true, force: true });
  }
}

function directoriesIn(base: string): readonly string[] {
  try {
    return readdirSync(base);
  } catch {
    return [];
  }
}

function readRecord(stateDir: string): LabRecord | undefined {
  try {
    return JSON.parse(readFileSync(path.join(stateDir, "lab.json"), "utf8")) as LabRecord;
  } catch {
    return undefined;
  }
}

function isYoung(stateDir: string): boolean {
  try {
    return Date.now() - lstatSync(stateDir).mtimeMs < CLAIM_MS;
  } catch {
    return true;
  }
}

function isAlive(record: LabRecord): boolean {
  return processStartTicks(record.launcherPid) === record.launcherStartTicks;
}
