/**
 * Connections to ports with routes whose protocol nobody said: HTTP is served by its routes, everything else is relayed as if
 * there were none. A server that speaks first is held up by one short wait, and from then on by none.
 *
 *   first bytes: HTTP ---------------> serve
 *   first bytes: TLS, others --------> relay
 *   silence, or known server first --> relay, watched -- the server speaks: learnt
 *                                          \----------- the client does, HTTP: the relay lets go, serve
 */
import type { Socket } from "node:net";
import { DetectingConnection } from "../http/detect/detecting-connection.ts";
import { type FirstBytes, recogniseFirstBytes } from "../http/detect/first-bytes.ts";
import { FirstSpeakers } from "../http/detect/first-speakers.ts";
import type { DataPlane } from "../worker/data-plane.ts";
import type { OutboundFirstSpeaker } from "./outbound-connection.ts";

export interface DetectedConnection {
  readonly socket: Socket;
  readonly sourceAddress: string;
  /** `ip:port`. */
  readonly dialled: string;
  /** `shop/catalog:80`. */
  readonly servicePort: string;
  /** Has endpoints: else what is no HTTP is refused, and silence waited out. */
  readonly canRelay: boolean;
  readonly serve: (first: Buffer | undefined) => void;
  readonly relay: (first: Buffer | undefined, firstSpeaker: OutboundFirstSpeaker | undefined) => void;
  /** It ended while nobody had spoken. */
  readonly lost: (detail: string) => void;
}

export class ProtocolDetection {
  readonly #plane: DataPlane;
  readonly #speakers: FirstSpeakers;

  constructor(plane: DataPlane) {
    this.#plane = plane;
    this.#speakers = new FirstSpeakers(plane.clock, (name) => plane.metrics.limitHit(name));
  }

  begin(about: DetectedConnection): void {
    if (about.canRelay && this.#speakers.isServer(about.dialled)) {
      this.#plane.metrics.detection("known-server-first");
      about.relay(undefined, this.#watch(about));
      return;
    }
    const { clock, connections, metrics } = this.#plane;
    new DetectingConnection({
      ...about,
      clock,
      connections,
      serveHttp: (first) => {
        metrics.detection("http");
        about.serve(first);
      },
      relayBytes: (first, what) => this.#relay(about, first, what),
    }).start();
  }

  #relay(about: DetectedConnection, first: Buffer | undefined, what: Exclude<FirstBytes, "http"> | undefined): void {
    this.#plane.metrics.detection(what ?? "silent");
    if (first !== undefined) {
      this.#tell(about, what === "tls" ? "TLS" : "no HTTP");
      about.relay(first, undefined);
    } else if (about.canRelay) about.relay(undefined, this.#watch(about));
    else if (about.socket.readableEnded) about.relay(undefined, undefined);
    else about.serve(undefined);
  }

  #watch(about: DetectedConnection): OutboundFirstSpeaker {
    const { metrics } = this.#plane;
    return {
      isOthers: (chunk) => {
        // Too few bytes to tell: HTTP's parser waits for the rest, and refuses what is none.
        const what = recogniseFirstBytes(chunk) ?? "http";
        if (what !== "http") this.#tell(about, what === "tls" ? "TLS" : "no HTTP");
        return what === "http";
      },
      handOver: (chunk) => {
        metrics.detection("http-late");
        this.#speakers.clientSpoke(about.dialled);
        about.serve(chunk);
      },
      onServer: () => {
        metrics.detection("server-first");
        this.#speakers.serverSpoke(about.dialled);
        this.#tell(about, "a protocol in which the server speaks first");
      },
    };
  }

  #tell({ servicePort }: DetectedConnection, what: string): void {
    if (!this.#speakers.tell(servicePort)) return;
    this.#plane.log.info(
      { event: "not-http", servicePort, found: what },
      "Port has routes and carries what is no HTTP, relayed as bytes: say appProtocol tcp, or http to have it refused",
    );
  }
}
