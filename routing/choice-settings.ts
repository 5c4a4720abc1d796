/**
 * What the choice among the endpoints of a Service depends on besides the algorithm and failed connects, as its policy
 * has it. Handed to the balancer with the candidates, and the same object for as long as these are.
 */
import type { OutlierSettings, ServiceEntry, SlowStartSettings, SpillOverSettings } from "../protocol/table.ts";

export interface ChoiceSettings {
  readonly outlier?: OutlierSettings;
  readonly slowStart?: SlowStartSettings;
  readonly spillOver?: SpillOver;
  /** Whether an endpoint that asks for a pause (Retry-After) gets it. */
  readonly honorsRetryAfter: boolean;
}

/** The candidates have others besides the near ones, marked `far`, for what the near ones cannot take. */
export interface SpillOver extends SpillOverSettings {
  /** Sum of the weights of all near endpoints, those included that take nothing now and so are no candidates. */
  readonly nearWeight: number;
}

/** Undefined: nothing is said, and nothing besides the default is to be done. */
export function choiceSettings(service: ServiceEntry, spillOver: SpillOver | undefined): ChoiceSettings | undefined {
  const { outlier, slowStart, honorsRetryAfter = true } = service;
  if (outlier === undefined && slowStart === undefined && spillOver === undefined && honorsRetryAfter) return undefined;
  return {
    ...(outlier === undefined ? {} : { outlier }),
    ...(slowStart === undefined ? {} : { slowStart }),
    ...(spillOver === undefined ? {} : { spillOver }),
    honorsRetryAfter,
  };
}
