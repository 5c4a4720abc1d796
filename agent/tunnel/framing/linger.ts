/**
 * Closes a connection whose peer broke the protocol. A socket that is closed with unread bytes answers with RST, which
 * may overtake the GOAWAY that tells the peer why: what still comes is thrown away, until the peer closes or time is up.
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../../core/clock.ts";
import { framingLimits } from "./limits.ts";

/** `socket`: the one beneath. */
export function lingerThenDestroy(tls: TLSSocket, socket: Socket, clock: Clock): void {
  const destroy = (): void => {
    timer.cancel();
    tls.destroy();
    socket.destroy();
  };
  const timer = clock.after(framingLimits.lingerMs, destroy);
  tls.once("end", destroy);
  tls.once("close", destroy);
  tls.end();
}
