/**
 * What a run could leave on the host: attached programs, loaded programs and maps, pins, cgroups. Compared before and
 * after; other people's programs may come and go meanwhile, so only what bears our names counts.
 */
import { readdirSync } from "node:fs";
import { runCommand } from "../core/run-command.ts";
import { CGROUP_PREFIX, cgroupRoot } from "./experiment-cgroup.ts";

/** Programs and maps of bpf-notes/programs, as far as the kernel keeps names (15 bytes). */
const OUR_NAMES = new Set(
  [
    "find_pair redirect choose_listener steer_pods steer_nodes connect_service to_peer xdp_to_peer",
    "places sockets addresses paths counts receivers listeners pods services interfaces targets",
  ].flatMap((names) => names.split(" ").map((name) => name.slice(0, 15))),
);

interface Named {
  readonly id: number;
  readonly name?: string;
  readonly prog_id?: number;
}

/** One line for each thing of ours that is there now. */
export async function hostTraces(): Promise<readonly string[]> {
  const programs = await listed("prog");
  const maps = await listed("map");
  const links = await listed("link");
  const own = programs.filter(isOurs).map(({ id }) => id);
  return [
    ...programs.filter(isOurs).map(({ id, name }) => `program ${id} ${name}`),
    ...maps.filter(isOurs).map(({ id, name }) => `map ${id} ${name}`),
    ...links.filter(({ prog_id }) => own.includes(prog_id ?? 0)).map(({ id }) => `link ${id}`),
    ...readdirSync(cgroupRoot())
      .filter((name) => name.startsWith(CGROUP_PREFIX))
      .map((name) => `cgroup ${name}`),
    ...pins(),
  ];
}

function isOurs({ name }: Named): boolean {
  return name !== undefined && OUR_NAMES.has(name);
}

async function listed(kind: "prog" | "map" | "link"): Promise<readonly Named[]> {
  const { stdout } = await runCommand(["bpftool", "-j", kind, "list"]);
  const found: unknown = JSON.parse(stdout === "" ? "[]" : stdout);
  return Array.isArray(found) ? (found as readonly Named[]) : [];
}

/** We pin nothing, so any name of ours there is a mistake. */
function pins(): readonly string[] {
  try {
    return readdirSync("/sys/fs/bpf")
      .filter((name) => OUR_NAMES.has(name))
      .map((name) => `pin ${name}`);
  } catch {
    return [];
  }
}
