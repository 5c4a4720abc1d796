/**
 * The common course of every client program: read the environment, count, write stats, act at a steady rate until
 * SIGTERM. Environment: TARGET_HOST, TARGET_PORT, IP_FAMILY, REQUESTS_PER_SECOND.
 */
import { type Clock, systemClock } from "../../core/clock.ts";
import { DestinationRecorder } from "./destination-recorder.ts";
import { keepRunningUntilTerminated } from "./keep-running.ts";
import { runSteadily } from "./run-steadily.ts";
import {
  type Environment,
  readPositiveNumber,
  readShopSettings,
  readTarget,
  type ShopSettings,
  type ShopTarget,
  serviceKey,
} from "./shop-settings.ts";
import { startStatsFile } from "./stats-file.ts";

export interface ClientContext extends ShopTarget {
  readonly settings: ShopSettings;
  readonly recorder: DestinationRecorder;
  readonly clock: Clock;
}

/** With the target that it has unless told otherwise. */
export interface ClientProgram extends ShopTarget {
  readonly perSecond: number;
  readonly maxInFlight: number;
  /** One call; it counts its own success or failure and does not reject. */
  readonly action: (context: ClientContext) => () => Promise<void>;
}

export function runClient(env: Environment, program: ClientProgram): void {
  const settings = readShopSettings(env);
  const { host, port } = readTarget(env, program);
  const perSecond = readPositiveNumber(env, "REQUESTS_PER_SECOND", program.perSecond);
  const recorder = new DestinationRecorder(serviceKey(host, settings.namespace), systemClock);
  const action = program.action({ host, port, settings, recorder, clock: systemClock });
  startStatsFile(settings, [recorder], systemClock);
  runSteadily({ perSecond, maxInFlight: program.maxInFlight }, systemClock, action, () => recorder.skipped());
  keepRunningUntilTerminated();
}
