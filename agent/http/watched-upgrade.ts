/** An upgraded connection of which somebody is told when it has ended. */
import type { UpgradedConnection } from "./request-carrier.ts";

export function watchedUpgrade(upstream: UpgradedConnection, onEnded: () => void): UpgradedConnection {
  return {
    handOver: (relay) => upstream.handOver(relay),
    relayEnded: (reason) => {
      upstream.relayEnded(reason);
      onEnded();
    },
  };
}
