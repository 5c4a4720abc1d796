/**
 * The control side of one agent: the real channel over its own TLS connection, reports as an agent sends them, a table.
 * No rules, no certificates, no data plane.
 */
import { ChannelClient } from "../../agent/control/channel-client.ts";
import { systemClock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { DeltaMessage, HelloMessage, SnapshotMessage } from "../../protocol/channel.ts";
import { TableState } from "../../routing/table-state.ts";
import { monotonicMicroseconds } from "./cluster-files.ts";
import { changeTimes, type SharedTable } from "./shared-table.ts";

export interface SimulatedAgentOptions {
  readonly url: string;
  readonly node: string;
  readonly credentials: () => { readonly token: string; readonly roots: string };
  /** Undefined: this agent parses and applies everything itself. */
  readonly shared: SharedTable | undefined;
  /** A change is in force here, `latencyMs` after it was written. */
  readonly onChange: (latencyMs: number) => void;
  readonly log: Log;
}

interface Position {
  readonly epoch: string;
  readonly sequence: number;
}

/** As agent/agent.ts does it. */
const REPORT_PERIOD_MS = 2_000;

export class SimulatedAgent {
  readonly #options: SimulatedAgentOptions;
  readonly #channel: ChannelClient;
  #position: Position | undefined;
  #ownTable: TableState | undefined;
  #snapshots = 0;
  #deltas = 0;
  #refused = 0;

  constructor(options: SimulatedAgentOptions) {
    const { url, credentials, shared, log } = options;
    this.#options = options;
    this.#channel = new ChannelClient({
      urls: [url],
      credentials,
      hello: () => this.#hello(),
      onTable: (message) => this.#take(message),
      onOpen: () => this.#report(),
      ...(shared === undefined ? {} : { decode: (bytes: Buffer, isBinary: boolean) => shared.decode(bytes, isBinary) }),
      clock: systemClock,
      random: Math.random,
      log,
      count: (event) => {
        if (event === "table-refused" || event === "message-invalid") this.#refused += 1;
      },
    });
    systemClock.every(REPORT_PERIOD_MS, () => this.#report());
  }

  start(): void {
    this.#channel.start();
  }

  cut(): void {
    this.#channel.redial();
  }

  get connected(): boolean {
    return this.#channel.connected;
  }

  get position(): Position | undefined {
    return this.#position;
  }

  get counts(): { readonly snapshots: number; readonly deltas: number; readonly refused: number } {
    return { snapshots: this.#snapshots, deltas: this.#deltas, refused: this.#refused };
  }

  get ownTable(): TableState | undefined {
    return this.#ownTable;
  }

  #hello(): HelloMessage {
    const { node } = this.#options;
    const hello = { kind: "hello", node, version: "bench", instance: `${node}-bench` } as const;
    return this.#position === undefined ? hello : { ...hello, have: this.#position };
  }

  #take(message: SnapshotMessage | DeltaMessage): void {
    const { shared } = this.#options;
    const { epoch, sequence } = message.kind === "snapshot" ? message.table : message.delta;
    if (message.kind === "delta") this.#expectNext({ epoch, sequence });
    if (shared === undefined) this.#applyOwn(message);
    else shared.apply(message);
    this.#position = { epoch, sequence };
    if (message.kind === "snapshot") this.#snapshots += 1;
    else this.#applied(message);
  }

  #expectNext({ epoch, sequence }: Position): void {
    const have = this.#position;
    if (have?.epoch !== epoch || sequence !== have.sequence + 1) {
      throw new TypeError(`Change ${sequence} does not follow ${have?.sequence}`);
    }
  }

  #applyOwn(message: SnapshotMessage | DeltaMessage): void {
    if (message.kind === "snapshot") this.#ownTable = new TableState(message.table);
    else this.#ownTable?.apply(message.delta);
  }

  #applied(message: DeltaMessage): void {
    const { shared, onChange } = this.#options;
    this.#deltas += 1;
    const nowUs = monotonicMicroseconds();
    const times = shared === undefined ? changeTimes(message) : shared.changedAt(message);
    for (const changedAtUs of times) onChange((nowUs - changedAtUs) / 1_000);
  }

  #report(): void {
    const counters = { connectionsOpened: 0, sentBytes: 0, receivedBytes: 0, refused: 0, tunnelsOpen: 0 };
    this.#channel.send({ kind: "report", ready: this.#position !== undefined, counters });
  }
}
