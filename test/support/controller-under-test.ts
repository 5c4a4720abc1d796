/** A controller in this process, on ports of the kernel's choosing, and agents' channels to it. */
import { readFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { WebSocket } from "ws";
import { ChannelClient, type ChannelClientOptions } from "../../agent/control/channel-client.ts";
import { Controller, type ControllerOptions, type ControllerPorts } from "../../controller/controller.ts";
import type { ControllerStatus } from "../../controller/controller-status.ts";
import { filesPlatform } from "../../controller/files-platform.ts";
import { ControllerMetrics } from "../../controller/metrics.ts";
import type { Platform } from "../../controller/platform.ts";
import { StateFiles } from "../../controller/state-files.ts";
import { systemClock } from "../../core/clock.ts";
import { CHANNEL_PATH, CHANNEL_SUBPROTOCOL, type HelloMessage } from "../../protocol/channel.ts";
import type { TableDelta, TableSnapshot } from "../../protocol/table.ts";
import { TableState } from "../../routing/table-state.ts";
import { ClusterDocuments } from "./cluster-documents.ts";
import { RecordingLog } from "./recording-log.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** `platform`: parts that take the place of those of files. */
export interface ControllerUnderTestOptions extends Partial<Omit<ControllerOptions, "platform">> {
  readonly platform?: Partial<Platform>;
}

export class ControllerUnderTest {
  readonly documents: ClusterDocuments;
  readonly stateDirectory: string;
  readonly log = new RecordingLog();
  readonly #t: ExecutionContext;
  #controller: Controller | undefined;
  #ports: ControllerPorts = { channel: 0, admin: undefined };

  constructor(t: ExecutionContext, directory: string) {
    this.#t = t;
    this.documents = new ClusterDocuments(join(directory, "documents"));
    this.stateDirectory = join(directory, "state");
  }

  static async start(t: ExecutionContext, options: ControllerUnderTestOptions = {}): Promise<ControllerUnderTest> {
    const controller = new ControllerUnderTest(t, await temporaryDirectory(t));
    await controller.documents.writeCluster();
    await controller.start(options);
    t.teardown(() => controller.stop());
    return controller;
  }

  /** Again on the same port when it was started before. */
  async start({ platform, ...options }: ControllerUnderTestOptions = {}): Promise<void> {
    const { log, stateDirectory } = this;
    const metrics = new ControllerMetrics();
    const countFailure = (): void => metrics.storeFailures.inc();
    const stateFiles = new StateFiles({ directory: stateDirectory, clock: systemClock, log, count: countFailure });
    const files = filesPlatform({
      documentsDirectory: this.documents.directory,
      stateDirectory,
      stateFiles,
      trustDomain: "cluster.local",
      countFailure,
      clock: systemClock,
      log,
    });
    this.#controller = new Controller({
      platform: { ...files, ...platform },
      stateFiles,
      metrics,
      listen: { host: "127.0.0.1", port: this.#ports.channel },
      admin: { host: "127.0.0.1", port: 0 },
      serverNames: ["localhost", "127.0.0.1"],
      trustDomain: "cluster.local",
      leafLifetimeMs: 24 * 3_600_000,
      clock: systemClock,
      log,
      ...options,
    });
    this.#ports = await this.#controller.start();
  }

  async stop(): Promise<void> {
    await this.#controller?.close();
    this.#controller = undefined;
  }

  get url(): string {
    return `wss://127.0.0.1:${this.#ports.channel}`;
  }

  token(node: string): string {
    return readFileSync(join(this.stateDirectory, "tokens", node), "utf8").trim();
  }

  roots(): string {
    return readFileSync(join(this.stateDirectory, "ca-root.pem"), "utf8");
  }

  async get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#ports.admin}${path}`);
  }

  async status(): Promise<ControllerStatus> {
    return (await (await this.get("/status")).json()) as ControllerStatus;
  }

  async metric(line: string): Promise<number> {
    const text = await (await this.get("/metrics")).text();
    const found = text.split("\n").find((candidate) => candidate.startsWith(`${line} `));
    return Number(found?.slice(line.length + 1) ?? 0);
  }

  /** A bare WebSocket with whatever credentials: for attackers. */
  rawSocket(token: string, path = CHANNEL_PATH): WebSocket {
    const headers = { authorization: `Bearer ${token}` };
    const url = `${this.url}${path}`;
    const socket = new WebSocket(url, CHANNEL_SUBPROTOCOL, { ca: this.roots(), headers });
    this.#t.teardown(() => socket.terminate());
    return socket;
  }

  agent(node: string, options: Partial<ChannelClientOptions> = {}): TestAgent {
    const agent = new TestAgent(this, node, options);
    this.#t.teardown(() => agent.channel.close());
    agent.channel.start();
    return agent;
  }

  positionOnDisk(): Promise<string> {
    return readFile(join(this.stateDirectory, "position.json"), "utf8");
  }
}

/** Where a controller is and how to be let in. */
export interface ControllerAccess {
  readonly url: string;
  token(node: string): string;
  roots(): string;
}

/** The part of an agent that speaks with the controller: applies what it is sent, remembers what that was. */
export class TestAgent {
  readonly channel: ChannelClient;
  readonly log = new RecordingLog();
  /** `snapshot 1`, `delta 2`, ... */
  readonly received: string[] = [];
  table: TableState | undefined;
  /** The next change does not fit, as if one had been lost on the way. */
  refuseNextDelta = false;

  constructor(controller: ControllerAccess, node: string, options: Partial<ChannelClientOptions> = {}) {
    this.channel = new ChannelClient({
      urls: [controller.url],
      credentials: () => ({ token: controller.token(node), roots: controller.roots() }),
      hello: () => this.#hello(node),
      onTable: (message) => (message.kind === "snapshot" ? this.#snapshot(message.table) : this.#delta(message.delta)),
      clock: systemClock,
      random: Math.random,
      log: this.log,
      ...options,
    });
  }

  #hello(node: string): HelloMessage {
    const hello = { kind: "hello", node, version: "test", instance: `${node}-instance` } as const;
    if (this.table === undefined) return hello;
    return { ...hello, have: { epoch: this.table.epoch, sequence: this.table.sequence } };
  }

  #snapshot(table: TableSnapshot): void {
    this.received.push(`snapshot ${table.sequence}`);
    this.table = new TableState(table);
  }

  #delta(delta: TableDelta): void {
    this.received.push(`delta ${delta.sequence}`);
    if (this.refuseNextDelta) {
      this.refuseNextDelta = false;
      throw new Error("A change is missing");
    }
    this.table?.apply(delta);
  }
}
