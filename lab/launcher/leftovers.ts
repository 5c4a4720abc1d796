/**
 * What of a lab is still there after its end: processes in its namespaces, mounts and files of its state directory.
 *
 * The namespaces are noted while the lab lives; their inode numbers are not reused while anything holds them.
 */
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { allPids } from "./process-tree.ts";
import type { LabRecord } from "./state-directory.ts";

// The pid namespace holds every process; the user namespace also what might have left it by nsenter.
const KINDS = ["pid", "user"] as const;

export class LeftoverSearch {
  readonly #stateDir: string;
  readonly #namespaces: ReadonlySet<string>;

  constructor(record: LabRecord) {
    this.#stateDir = record.stateDir;
    const own = new Set(namespacesOf("self"));
    // Without a user namespace of its own the lab shares the launcher's, which says nothing.
    this.#namespaces = new Set(namespacesOf(record.initPid).filter((namespace) => !own.has(namespace)));
  }

  /** One line for each thing found. */
  find(): readonly string[] {
    const processes = allPids().filter((pid) => namespacesOf(pid).some((one) => this.#namespaces.has(one)));
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    return [
      ...processes.map((pid) => `process ${pid} (${commandOf(pid)})`),
      ...mounts.filter((line) => line.includes(this.#stateDir)).map((line) => `mount ${line}`),
      ...(existsSync(this.#stateDir) ? [`directory ${this.#stateDir}`] : []),
    ];
  }
}

function namespacesOf(pid: number | "self"): readonly string[] {
  try {
    return KINDS.map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`));
  } catch {
    return [];
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "?";
  }
}
