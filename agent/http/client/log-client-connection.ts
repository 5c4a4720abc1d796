/** The line that a pod's connection leaves when it was served request by request. */
import { formatHostPort } from "../../../routing/address.ts";
import type { CloseReason } from "../../relay/relay.ts";
import { logConnection } from "../../telemetry/connection-log.ts";
import { describePeer } from "../../worker/data-plane.ts";
import type { HttpFacts, HttpPlane } from "../http-plane.ts";

export interface ClientConnectionTotals {
  readonly startedMs: number;
  readonly requests: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly reason: CloseReason;
  readonly detail: string | undefined;
}

export function logClientConnection(plane: HttpPlane, facts: HttpFacts, totals: ClientConnectionTotals): void {
  const { table, source, service, dialled } = facts;
  const { startedMs, ...rest } = totals;
  logConnection(plane.log, {
    direction: "outbound",
    source: describePeer(table, source.workload, formatHostPort(source.address, source.port)),
    destination: { address: dialled, service: service.key, dialled },
    path: undefined,
    durationMs: plane.clock.monotonicMs() - startedMs,
    ...rest,
  });
}
