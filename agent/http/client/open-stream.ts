/** A stream of a pod's HTTP/2 connection, as its connection sees it: a request and its answer, or what a WebSocket became. */
import type { CloseReason } from "../../relay/relay.ts";

export interface OpenStream {
  /** What it makes the agent hold beside what its connection knows of. */
  readonly heldBytes: number;
  /** Called once per sweep: enforces its timers. */
  sweep(nowMs: number): void;
  /** Its connection is given up; nothing can be sent any more. */
  connectionLost(reason: CloseReason, detail: string): void;
}
