/**
 * A cgroup of this run's own, which this process enters: the lab and every load inherit it, so that programs attached to it see
 * nothing else of the host, and its `cpu.stat` counts exactly what the experiment used.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { HawserError } from "../core/errors.ts";

export const CGROUP_PREFIX = "hawser-bpf-notes-";
/** Where a process of the cgroup's own goes for programs that are for one pod only. */
const CLIENT = "client";

export class ExperimentCgroup implements Disposable {
  readonly directory: string;
  readonly #home: string;

  private constructor(root: string) {
    const line = readFileSync("/proc/self/cgroup", "utf8").split("\n");
    this.#home = path.join(root, line.find((one) => one.startsWith("0::"))?.slice(3) ?? "/");
    this.directory = path.join(root, `${CGROUP_PREFIX}${process.pid}`);
  }

  static enter(): ExperimentCgroup {
    removeDeadCgroups();
    const cgroup = new ExperimentCgroup(cgroupRoot());
    mkdirSync(path.join(cgroup.directory, CLIENT), { recursive: true });
    join(cgroup.directory);
    return cgroup;
  }

  get clientDirectory(): string {
    return path.join(this.directory, CLIENT);
  }

  /** CPU time of everything that ever ran in it, ended processes included. */
  get usageUs(): number {
    const text = readFileSync(path.join(this.directory, "cpu.stat"), "utf8");
    return Number(/^usage_usec (\d+)/m.exec(text)?.[1]);
  }

  /** A command that runs this one in the client's cgroup. */
  clientCommand(argv: readonly string[]): readonly string[] {
    const script = 'echo $$ > "$0" && exec "$@"';
    return ["sh", "-c", script, path.join(this.clientDirectory, "cgroup.procs"), ...argv];
  }

  /** After every process of the lab has gone. */
  [Symbol.dispose](): void {
    join(this.#home);
    rmdirSync(this.clientDirectory);
    rmdirSync(this.directory);
  }
}

export function cgroupRoot(): string {
  const found = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((one) =>
    existsSync(path.join(one, "cgroup.controllers")),
  );
  if (found === undefined) throw new HawserError("no-cgroup2", "No cgroup2 is mounted on /sys/fs/cgroup or below it");
  return found;
}

/** A run that was killed leaves its cgroup behind, empty: its processes died with it. */
function removeDeadCgroups(): void {
  const dead = readdirSync(cgroupRoot()).filter(
    (name) => name.startsWith(CGROUP_PREFIX) && !existsSync(`/proc/${name.slice(CGROUP_PREFIX.length)}`),
  );
  for (const directory of dead.map((name) => path.join(cgroupRoot(), name))) {
    rmdirSync(path.join(directory, CLIENT));
    rmdirSync(directory);
  }
}

function join(directory: string): void {
  writeFileSync(path.join(directory, "cgroup.procs"), `${process.pid}`);
}
