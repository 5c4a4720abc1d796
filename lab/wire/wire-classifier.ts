/**
 * Judges everything that crosses the underlay: was it readable by someone who listens?
 *
 * Offending is
 * - TCP payload on the tunnel's or the controller's port that is not TLS records, or holds readable text outside of
 *   the handshake (see tls-direction.ts);
 * - TCP payload on any other port when an end is a pod, whatever it looks like (one end is enough: address
 *   translation hides the other), or when it holds readable text;
 * - UDP payload between pods.
 * Packets without payload (SYN, ACK, FIN, RST) say who speaks to whom but nothing of what is said: never offending.
 */
import ipaddr from "ipaddr.js";
import { CONTROL_PORT, HBONE_PORT } from "../../protocol/ports.ts";
import { AddressRanges } from "./address-ranges.ts";
import { decodePacket, type IpPacket, PROTOCOL_TCP, PROTOCOL_UDP, TCP_FIN, TCP_RST, TCP_SYN } from "./decode-packet.ts";
import { MAX_FLOWS, MAX_SAMPLE_BYTES, MAX_SAMPLES, PRINTABLE_RUN_BYTES } from "./limits.ts";
import { findPrintableRun } from "./printable-run.ts";
import type { NegotiatedTls, ServerHelloReading } from "./server-hello.ts";
import { TlsDirection } from "./tls-direction.ts";
import type { DetailedWireSummary, OffenceReason, OffendingPacket, WireHandshakes } from "./wire-summary.ts";

/** Everything about one direction of a connection that does not change from packet to packet. */
interface Direction {
  readonly touchesPod: boolean;
  readonly tls: TlsDirection | undefined;
}

export interface WireClassifierOptions {
  /** CIDRs of the pods of all nodes, IPv4 and IPv6. */
  readonly podCidrs: readonly string[];
  /** Ports on which everything must be TLS, beside the tunnels' and the controller's. */
  readonly otherTlsPorts?: readonly number[];
}

export class WireClassifier {
  readonly #pods: AddressRanges;
  readonly #tlsPorts: ReadonlySet<number>;
  /** In order of last beginning: the first is forgotten when there are too many. */
  readonly #directions = new Map<string, Direction>();
  readonly #handshakes = new Map<string, WireHandshakes>();
  readonly #samples: OffendingPacket[] = [];
  readonly #counts = {
    packets: 0,
    bytes: 0,
    undecodedPackets: 0,
    tlsPackets: 0,
    unsyncedPackets: 0,
    plaintextPackets: 0,
    plaintextUdpPackets: 0,
    helloRetryRequests: 0,
  };

  constructor(options: WireClassifierOptions) {
    this.#pods = new AddressRanges(options.podCidrs);
    this.#tlsPorts = new Set([HBONE_PORT, CONTROL_PORT, ...(options.otherTlsPorts ?? [])]);
  }

  /** One Ethernet frame; it is not kept. */
  frame(frame: Buffer, timeMs: number): void {
    this.#counts.packets++;
    this.#counts.bytes += frame.length;
    const packet = decodePacket(frame);
    if (packet === undefined) {
      this.#counts.undecodedPackets++;
      return;
    }
    const offence = this.#judge(packet);
    if (offence !== undefined) this.#offend(timeMs, packet, offence);
  }

  summary(): DetailedWireSummary {
    const handshakes = [...this.#handshakes.values()];
    const seen = (read: (handshake: NegotiatedTls) => string) => [...new Set(handshakes.map(read))];
    return {
      ...this.#counts,
      tlsVersions: seen((handshake) => handshake.tlsVersion),
      keyExchanges: seen((handshake) => handshake.keyExchange),
      cipherSuites: seen((handshake) => handshake.cipherSuite),
      handshakes,
      offendingPackets: [...this.#samples],
      plaintextSamples: this.#samples.map(sampleText),
      droppedPackets: 0,
    };
  }

  #judge(packet: IpPacket): OffenceReason | undefined {
    if (packet.protocol === PROTOCOL_UDP) return this.#judgeUdp(packet);
    if (packet.protocol !== PROTOCOL_TCP) return undefined;
    if (packet.laterFragment) return this.#touchesPod(packet) ? "pod-payload" : undefined;
    const key = directionKey(packet);
    const direction = this.#direction(key, packet);
    if ((packet.flags & TCP_SYN) !== 0) direction.tls?.begin(packet.sequence);
    if ((packet.flags & (TCP_FIN | TCP_RST)) !== 0) this.#directions.delete(key);
    if (packet.payload.length === 0) return undefined;
    if (direction.tls === undefined) return judgeOtherTcp(direction, packet.payload);
    return this.#judgeTls(direction.tls, packet);
  }

  #judgeTls(tls: TlsDirection, packet: IpPacket): OffenceReason | undefined {
    this.#counts.tlsPackets++;
    // Data in a SYN (TCP Fast Open) comes after the SYN's own sequence number (RFC 7413).
    const sequence = (packet.flags & TCP_SYN) === 0 ? packet.sequence : (packet.sequence + 1) >>> 0;
    const offence = tls.judge(sequence, packet.payload);
    if (!tls.synced) this.#counts.unsyncedPackets++;
    return offence;
  }

  #judgeUdp(packet: IpPacket): OffenceReason | undefined {
    const betweenPods = this.#pods.has(packet.source) && this.#pods.has(packet.destination);
    if (!betweenPods || packet.payload.length === 0) return undefined;
    this.#counts.plaintextUdpPackets++;
    return "pod-payload";
  }

  #direction(key: string, packet: IpPacket): Direction {
    const known = this.#directions.get(key);
    if (known !== undefined && (packet.flags & TCP_SYN) === 0) return known;
    this.#directions.delete(key);
    const [oldest] = this.#directions.size < MAX_FLOWS ? [] : this.#directions.keys();
    if (oldest !== undefined) this.#directions.delete(oldest);
    const direction = this.#newDirection(packet);
    this.#directions.set(key, direction);
    return direction;
  }

  #newDirection(packet: IpPacket): Direction {
    const fromServer = this.#tlsPorts.has(packet.sourcePort);
    const toServer = this.#tlsPorts.has(packet.destinationPort);
    const port = fromServer ? packet.sourcePort : packet.destinationPort;
    const onServerHello = (reading: ServerHelloReading) => this.#countHandshake(port, reading);
    return {
      touchesPod: this.#touchesPod(packet),
      tls: fromServer || toServer ? new TlsDirection(onServerHello) : undefined,
    };
  }

  #touchesPod(packet: IpPacket): boolean {
    return this.#pods.has(packet.source) || this.#pods.has(packet.destination);
  }

  #countHandshake(port: number, reading: ServerHelloReading): void {
    if (reading.kind === "retry-request") this.#counts.helloRetryRequests++;
    if (reading.kind !== "hello") return;
    const { negotiated } = reading;
    const key = `${port} ${negotiated.tlsVersion} ${negotiated.keyExchange} ${negotiated.cipherSuite}`;
    const count = (this.#handshakes.get(key)?.count ?? 0) + 1;
    this.#handshakes.set(key, { port, ...negotiated, count });
  }

  #offend(timeMs: number, packet: IpPacket, reason: OffenceReason): void {
    this.#counts.plaintextPackets++;
    if (this.#samples.length >= MAX_SAMPLES) return;
    const shown = packet.payload.subarray(0, MAX_SAMPLE_BYTES);
    this.#samples.push({
      timeMs,
      source: endpointText(packet.source, packet.sourcePort),
      destination: endpointText(packet.destination, packet.destinationPort),
      protocol: packet.protocol === PROTOCOL_UDP ? "udp" : "tcp",
      reason,
      payloadBytes: packet.payload.length,
      hex: shown.toString("hex"),
      ascii: shown.toString("latin1").replaceAll(/[^\x20-\x7e]/g, "."),
    });
  }
}

function judgeOtherTcp(direction: Direction, payload: Buffer): OffenceReason | undefined {
  if (direction.touchesPod) return "pod-payload";
  return findPrintableRun(payload, PRINTABLE_RUN_BYTES) === -1 ? undefined : "readable-text";
}

function sampleText(sample: OffendingPacket): string {
  return `${sample.protocol} ${sample.source} > ${sample.destination} ${sample.reason}: ${sample.ascii}`;
}

/** Both addresses and both ports, as bytes: cheap to build and unique. */
function directionKey(packet: IpPacket): string {
  const addresses = packet.source.toString("latin1") + packet.destination.toString("latin1");
  return `${addresses}${packet.sourcePort}>${packet.destinationPort}`;
}

function endpointText(address: Buffer, port: number): string {
  const text = ipaddr.fromByteArray([...address]).toString();
  return address.length === 16 ? `[${text}]:${port}` : `${text}:${port}`;
}
