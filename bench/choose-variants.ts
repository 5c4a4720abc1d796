/** Which of the wanted variants can run here, and what is missing for the others (pure). */
import { PEERS } from "./peers/peers.ts";
import type { VariantName } from "./variants.ts";

export interface ChosenVariants {
  readonly variants: readonly VariantName[];
  /** A line each: what was left out, and how to get it. */
  readonly skipped: readonly string[];
}

export function chooseVariants(
  wanted: readonly VariantName[],
  isInstalled: (program: string) => boolean,
): ChosenVariants {
  const missing = PEERS.filter(({ name, program }) => wanted.includes(name) && !isInstalled(program));
  return {
    variants: wanted.filter((name) => missing.every((peer) => peer.name !== name)),
    skipped: missing.map(({ name, install }) => `${name} is left out: not installed, try: ${install}`),
  };
}
