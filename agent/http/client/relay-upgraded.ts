/** After a 101: the client's socket and the connection to the endpoint are bytes, carried by the relay as any others. */
import type { Socket } from "node:net";
import { type CloseReason, Relay } from "../../relay/relay.ts";
import type { HttpFacts, HttpPlane } from "../http-plane.ts";
import type { UpgradedConnection } from "../request-carrier.ts";

export interface UpgradedOptions {
  readonly plane: HttpPlane;
  readonly facts: HttpFacts;
  /** Without listeners. */
  readonly socket: Socket;
  readonly upstream: UpgradedConnection;
  /** What the client has sent behind its request. */
  readonly ahead: readonly Buffer[];
  readonly onClosed: (relay: Relay, reason: CloseReason, detail: string | undefined) => void;
}

export function relayUpgraded({ plane, facts, socket, upstream, ahead, onClosed }: UpgradedOptions): void {
  const relay = new Relay({
    socket,
    writes: plane.writes,
    podIsSource: true,
    onResponse: () => {},
    onStreamLost: () => {},
    onClosed: (reason, detail) => {
      upstream.relayEnded(reason);
      plane.connections.remove(relay);
      onClosed(relay, reason, detail);
    },
  });
  plane.connections.add(relay, facts.source.address);
  relay.start(plane.clock.monotonicMs());
  const { stream, counters } = upstream.handOver(relay);
  if (stream === undefined) {
    relay.abort("reset-by-peer", "the endpoint is gone");
    return;
  }
  for (const chunk of ahead) {
    stream.write(chunk);
    counters.sentBytes += chunk.length;
  }
  relay.attach(stream);
  relay.established(counters);
}
