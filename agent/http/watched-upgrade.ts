/** An upgraded connection whose admission is told when it has ended. */
import type { Admission } from "./admission.ts";
import type { UpgradedConnection } from "./request-carrier.ts";

export function watchedUpgrade(upstream: UpgradedConnection, admission: Admission): UpgradedConnection {
  return {
    handOver: (relay) => upstream.handOver(relay),
    relayEnded: (reason) => {
      upstream.relayEnded(reason);
      admission.closed?.();
    },
  };
}
