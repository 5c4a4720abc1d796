/** Opens a new connection to an endpoint: a stream through a tunnel, or a plain dial on this node. */
import { describeError } from "../../../core/errors.ts";
import type { ServiceEntry } from "../../../protocol/table.ts";
import { formatHostPort } from "../../../routing/address.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";
import { timers } from "../../limits.ts";
import { connectHeaders } from "../../outbound/connect-headers.ts";
import { dialSource } from "../../outbound/dial-source.ts";
import { PlainStream } from "../../relay/plain-stream.ts";
import { ANY_PORT } from "../../sockets/dial.ts";
import type { ClientTunnel, StreamHandler, TunnelStream } from "../../tunnel/engine.ts";
import { PoolError } from "../../tunnel/tunnel-pool.ts";
import type { HttpSource, UpstreamPlane } from "../http-plane.ts";
import type { UpstreamFailureCode } from "./upstream-failure.ts";

export interface UpstreamTarget {
  /** Of HTTP, that is spoken with the endpoint. */
  readonly version: 1 | 2;
  readonly candidate: Candidate;
  readonly source: HttpSource;
  readonly sourceIdentity: string;
  /** Undefined for what is never reached by tunnel. */
  readonly destinationIdentity: string | undefined;
  /** The Service that it is reached for. */
  readonly service: ServiceEntry;
  readonly connectMs: number | undefined;
  /** What may share connections: a server must never see one pod's request come from another pod's address. */
  readonly poolKey: string;
}

/** A connection that is being dialled, and the handler of its stream. */
export interface DialledUpstream extends StreamHandler {
  /** Bytes went into a tunnel: they count as delivered, unless the answer says otherwise. */
  readonly mayHaveDelivered: boolean;
  /** Stops what is under way; undefined when nothing is. */
  cancelDial: (() => void) | undefined;
  /** What it goes through, if it does. */
  tunnel: ClientTunnel | undefined;
  /** The stream that was opened with this as its handler. */
  attach(stream: TunnelStream): void;
  /** The connect took too long, or could not be begun. */
  fail(code: UpstreamFailureCode, why: string): void;
}

/**
 * What the far end's answer to a dial says against it; undefined: the application has accepted. 503: it did not accept.
 * Anything else is a verdict on us, which another endpoint would repeat.
 */
export function dialRefusal(
  status: number,
  reason: string | undefined,
): { readonly code: UpstreamFailureCode; readonly why: string } | undefined {
  if (status === 200) return undefined;
  const why = reason ?? `answer ${status}`;
  if (status === 503) return { code: "connect-failure", why };
  return { code: "refused", why: `refused with ${status}: ${why}` };
}

/** Its tunnel was told to go (the far agent stops, the pod terminates): no request may begin on it any more. */
export function isToLeave({ tunnel }: DialledUpstream): boolean {
  return tunnel !== undefined && tunnel.state !== "open";
}

/** How a connection ends that failed like this, for the metrics. */
export function closeReasonOf(code: UpstreamFailureCode): "connect-failed" | "reset-by-peer" {
  return code === "connect-failure" || code === "connect-timeout" ? "connect-failed" : "reset-by-peer";
}

/** Reports through the connection: `attach`, then its answer, or `fail`. */
export function dialUpstream(plane: UpstreamPlane, target: UpstreamTarget, upstream: DialledUpstream): void {
  const connectMs = target.connectMs ?? timers.connectAnswerMs;
  const timer = plane.clock.after(connectMs, () => {
    const code = upstream.mayHaveDelivered ? "connect-timeout" : "connect-failure";
    upstream.fail(code, `no answer within ${connectMs} ms`);
  });
  upstream.cancelDial = () => timer.cancel();
  if (target.candidate.transport === "tunnel") throughTunnel(plane, target, upstream);
  else withoutTunnel(plane, target, upstream);
}

function throughTunnel(plane: UpstreamPlane, target: UpstreamTarget, upstream: DialledUpstream): void {
  const { candidate, sourceIdentity, destinationIdentity } = target;
  if (destinationIdentity === undefined) {
    upstream.fail("connect-failure", "no pod has this address, so no identity can be asked for");
    return;
  }
  const key = { sourceIdentity, address: candidate.address, destinationIdentity };
  const withdraw = plane.pool.acquire(key, (result) => {
    // A pool's refusal (no certificate, its own bounds) says nothing about the endpoint.
    if (result instanceof PoolError) upstream.fail("refused", describeError(result));
    else if (result instanceof Error) upstream.fail("connect-failure", describeError(result));
    else openStream(plane, target, upstream, result);
  });
  const { cancelDial } = upstream;
  // Undefined when it has failed already.
  if (cancelDial !== undefined) {
    upstream.cancelDial = () => {
      cancelDial();
      withdraw();
    };
  }
}

function openStream(
  plane: UpstreamPlane,
  { candidate, source, service }: UpstreamTarget,
  upstream: DialledUpstream,
  tunnel: ClientTunnel,
): void {
  const request = {
    authority: formatHostPort(candidate.address, candidate.port),
    headers: connectHeaders({
      decision: { source: source.workload, service },
      sourceAddress: source.address,
      // The far end takes another port when this one has a connection to the endpoint already.
      sourcePort: source.port,
      traceparent: plane.traceparents.next(),
    }),
  };
  try {
    upstream.tunnel = tunnel;
    upstream.attach(tunnel.openStream(request, upstream));
  } catch (error) {
    upstream.fail("connect-failure", describeError(error));
  }
}

function withoutTunnel(plane: UpstreamPlane, { candidate, source }: UpstreamTarget, upstream: DialledUpstream): void {
  try {
    const socket = plane.dial({
      address: candidate.address,
      port: candidate.port,
      mark: plane.mark,
      // The client's own port belongs to its connection with us, of which there may be several of these.
      ...dialSource(candidate, { ...source, port: ANY_PORT }),
    });
    upstream.attach(new PlainStream(socket, upstream));
  } catch (error) {
    upstream.fail("connect-failure", describeError(error));
  }
}
