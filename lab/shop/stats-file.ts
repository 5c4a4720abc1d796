/** Writes a client's stats to a file each second; readers never see half of one (rename is atomic). */
import { rename, writeFile } from "node:fs/promises";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { ClientStats } from "./client-stats.ts";
import type { DestinationRecorder } from "./destination-recorder.ts";
import type { ShopSettings } from "./shop-settings.ts";

const PERIOD_MS = 1000;

/** Does nothing without `settings.statsFile`. A file that cannot be written is said once on stderr, and tried again. */
export function startStatsFile(
  settings: ShopSettings,
  destinations: readonly DestinationRecorder[],
  clock: Clock,
): Timer {
  const { statsFile } = settings;
  if (statsFile === undefined) return { cancel: () => {} };
  let writing = false;
  let complained = false;
  return clock.every(PERIOD_MS, () => {
    if (writing) return;
    writing = true;
    replaceFile(statsFile, JSON.stringify(collectStats(settings, destinations, clock.nowMs())))
      .catch((error: unknown) => {
        if (!complained) console.error(`Cannot write stats: ${describeError(error)}`);
        complained = true;
      })
      .finally(() => {
        writing = false;
      });
  });
}

export function collectStats(
  settings: ShopSettings,
  destinations: readonly DestinationRecorder[],
  nowMs: number,
): ClientStats {
  return {
    pod: `${settings.namespace}/${settings.pod}`,
    node: settings.node,
    updatedMs: nowMs,
    destinations: destinations.map((destination) => destination.stats()),
  };
}

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}
