/** What a capture of the underlay found, in full: plain JSON. The lab's own summary (lab-status.ts) is the part that all need. */
import type { WireSummary } from "../lab-status.ts";
import type { NegotiatedTls } from "./server-hello.ts";

export interface WireHandshakes extends NegotiatedTls {
  /** The server's port. */
  readonly port: number;
  readonly count: number;
}

/**
 * `pod-payload`: a pod's bytes outside of a tunnel. `not-tls`: on a port where everything must be TLS.
 * `readable-text`: 32 printable bytes in a row, anywhere.
 */
export type OffenceReason = "pod-payload" | "not-tls" | "readable-text";

export interface OffendingPacket {
  readonly timeMs: number;
  /** `address:port`. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: "tcp" | "udp";
  readonly reason: OffenceReason;
  readonly payloadBytes: number;
  /** The first bytes of the payload. */
  readonly hex: string;
  readonly ascii: string;
}

export interface DetailedWireSummary extends WireSummary {
  readonly bytes: number;
  /** Frames that are not IP, or cut off. */
  readonly undecodedPackets: number;
  /** TCP packets with payload on a port where all must be TLS. */
  readonly tlsPackets: number;
  /** Of these, in connections older than the capture: judged by their text only. */
  readonly unsyncedPackets: number;
  /** Of the plaintext packets, UDP: outside of what the mesh protects. */
  readonly plaintextUdpPackets: number;
  readonly helloRetryRequests: number;
  readonly cipherSuites: readonly string[];
  readonly handshakes: readonly WireHandshakes[];
  readonly offendingPackets: readonly OffendingPacket[];
  /** Packets the kernel could not hand to the capture: above 0 the rest proves nothing. Known after the stop. */
  readonly droppedPackets: number;
}
