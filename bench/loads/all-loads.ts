/** Every load, in the order of a run, and how a person chooses some of them. */
import { HawserError } from "../../core/errors.ts";
import { bulk } from "./bulk.ts";
import { greeting } from "./greeting.ts";
import { idleConnections } from "./idle-connections.ts";
import type { Load } from "./load.ts";
import { mixed } from "./mixed.ts";
import { newConnections } from "./new-connections.ts";
import { sameNode } from "./same-node.ts";
import { routedCalls, smallCalls, variedCalls } from "./small-calls.ts";

// Idle connections first: they are about processes that have not grown by other loads.
export const ALL_LOADS: readonly Load[] = [
  idleConnections,
  ...smallCalls,
  ...routedCalls,
  ...variedCalls,
  newConnections,
  ...bulk,
  mixed,
  ...sameNode,
  greeting,
];

/** Left out of a quick run: their neighbours ask nearly the same. */
const NOT_QUICK: readonly string[] = ["calls-8", "http-1", "http-8", "http-256"];
export const QUICK_LOADS: readonly Load[] = ALL_LOADS.filter(({ id }) => !NOT_QUICK.includes(id));

/** Names of groups, and of loads without a group of their own name. */
export const LOAD_GROUPS: readonly string[] = [...new Set(ALL_LOADS.map(({ group }) => group))];

/** By group (`calls`) or by one load (`calls-64`); in the order of a run. */
export function chooseLoads(names: readonly string[]): readonly Load[] {
  const unknown = names.find((name) => !ALL_LOADS.some((load) => isNamed(load, name)));
  if (unknown !== undefined) {
    const known = [...LOAD_GROUPS, ...ALL_LOADS.map(({ id }) => id)];
    throw new HawserError("no-load", `There is no load ${unknown}, only ${[...new Set(known)].join(", ")}`);
  }
  return ALL_LOADS.filter((load) => names.some((name) => isNamed(load, name)));
}

function isNamed(load: Load, name: string): boolean {
  return load.id === name || load.group === name;
}
