/**
 * One outbound connection of a real pod socket, with a fake pool in front of fake tunnels: the test decides which tunnel
 * is had, what the far end answers, and when.
 */
import type { Socket } from "node:net";
import type { EjectionSettings } from "../../protocol/table.ts";
import { Balancers } from "../../agent/balance/balancers.ts";
import { OutboundConnection } from "../../agent/outbound/outbound-connection.ts";
import { Traceparents } from "../../agent/outbound/traceparents.ts";
import type { DialOptions } from "../../agent/sockets/dial.ts";
import type { PodSocket } from "../../agent/sockets/pod-socket.ts";
import { WriteCoalescer } from "../../agent/relay/write-coalescer.ts";
import { WorkerMetrics } from "../../agent/telemetry/worker-metrics.ts";
import type { Acquired, TunnelPool, TunnelTarget } from "../../agent/tunnel/tunnel-pool.ts";
import { ConnectionRegistry } from "../../agent/worker/connection-registry.ts";
import type { Candidate, ForwardDecision } from "../../routing/decide-connection.ts";
import { TableState } from "../../routing/table-state.ts";
import { eventually } from "./eventually.ts";
import { FakeClock } from "./fake-clock.ts";
import { type FakeStream, FakeTunnel } from "./fake-stream.ts";
import { RecordingLog } from "./recording-log.ts";
import { PodProbe, socketPair } from "./socket-pair.ts";
import { testTable, testWorkload } from "./test-tables.ts";

export const NO_EJECTION: EjectionSettings = {
  consecutiveFailures: 0,
  baseEjectionMs: 1_000,
  maxEjectionMs: 1_000,
  maxEjectionPercent: 50,
};

/** One request for a tunnel, in the order they came. */
export interface Acquisition {
  readonly target: TunnelTarget;
  readonly answer: Acquired;
  withdrawn: boolean;
}

export interface OutboundWorldOptions {
  readonly candidates: readonly Candidate[];
  /** From the second try on; default: the same. */
  readonly laterCandidates?: readonly Candidate[];
  readonly ejection?: EjectionSettings;
  readonly dial?: (options: DialOptions) => PodSocket;
  /** Default false. */
  readonly redirected?: boolean;
  /** Answers a request at once, as a pool with an open lane does. */
  readonly atOnce?: (target: TunnelTarget) => Parameters<Acquired>[0] | undefined;
}

export class OutboundWorld {
  readonly clock = new FakeClock();
  readonly metrics = new WorkerMetrics({ clock: this.clock });
  readonly log = new RecordingLog();
  readonly connections = new ConnectionRegistry({ clock: this.clock, onLimit: () => {} });
  readonly acquisitions: Acquisition[] = [];
  readonly tunnel = new FakeTunnel();
  readonly balancers = new Balancers({ clock: this.clock, random: () => 0 });
  readonly pod: Socket;
  readonly probe: PodProbe;
  readonly agent: Socket;
  readonly table = new TableState(testTable({ workloads: [testWorkload("shop/client")] }));
  readonly #options: OutboundWorldOptions;

  private constructor(options: OutboundWorldOptions, agent: Socket, pod: Socket) {
    this.#options = options;
    this.agent = agent;
    this.pod = pod;
    this.probe = new PodProbe(pod);
  }

  static async create(options: OutboundWorldOptions): Promise<OutboundWorld> {
    const { agent, pod } = await socketPair();
    return new OutboundWorld(options, agent, pod);
  }

  start(): void {
    const source = this.table.workload("shop/client");
    if (source === undefined) throw new Error("The table has no client");
    const plane = {
      node: "node-1",
      clock: this.clock,
      log: this.log,
      metrics: this.metrics,
      writes: new WriteCoalescer(),
      connections: this.connections,
      mark: 0,
      dial: () => this.#noDial(),
      dialPod: this.#options.dial ?? (() => this.#noDial()),
      table: () => this.table,
      limitHit: () => {},
      balancers: this.balancers,
      traceparents: new Traceparents(),
      pool: this.#pool(),
    };
    const { candidates, laterCandidates = candidates, ejection = NO_EJECTION, redirected = false } = this.#options;
    const decisionFor = (among: readonly Candidate[]): ForwardDecision => {
      return { kind: "forward", source, candidates: among, loadBalancer: "round-robin", ejection, why: [] };
    };
    new OutboundConnection(plane, {
      socket: this.agent,
      sourceAddress: "10.244.1.2",
      sourcePort: 4711,
      destinationAddress: "10.96.0.1",
      destinationPort: 80,
      redirected,
      table: this.table,
      decision: decisionFor(candidates),
      decideAgain: () => decisionFor(laterCandidates),
    }).start();
  }

  /** The stream that was opened last; `start` or an answer must have led to one. */
  get stream(): FakeStream {
    const stream = this.tunnel.streams.at(-1);
    if (stream === undefined) throw new Error("No stream was opened");
    return stream;
  }

  /** Gives the newest request a tunnel. */
  giveTunnel(): FakeStream {
    this.acquisitions.at(-1)?.answer(this.tunnel);
    return this.stream;
  }

  /** Resolves when the pod's bytes have come to the newest stream. */
  async written(text: string): Promise<void> {
    await eventually(`${text} is written`, () => this.stream.text === text);
  }

  /** The line that the connection leaves. */
  async closed(): Promise<Record<string, unknown>> {
    const line = await eventually("it is closed", () =>
      this.log.lines.find(({ fields }) => fields["event"] === "connection"),
    );
    return line.fields;
  }

  /** `dials refused` -> 1 and so on, since the last call. */
  counters(): Record<string, number> {
    const { counters } = this.metrics.collect();
    return Object.fromEntries(
      counters.map(({ name, labelValues, value }) => [[name, ...labelValues].join(" "), value]),
    );
  }

  #pool(): TunnelPool {
    const acquire = (target: TunnelTarget, answer: Acquired): (() => void) => {
      const acquisition: Acquisition = { target, answer, withdrawn: false };
      this.acquisitions.push(acquisition);
      const result = this.#options.atOnce?.(target);
      if (result !== undefined) answer(result);
      return () => {
        acquisition.withdrawn = true;
      };
    };
    return { acquire } as unknown as TunnelPool;
  }

  #noDial(): Socket {
    throw new Error("Nothing is to be dialled without a tunnel here");
  }
}
