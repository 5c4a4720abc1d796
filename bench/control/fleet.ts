/** All simulated agents, spread over a few processes, as one thing. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { addCounts } from "../../lab/shop/latency-histogram.ts";
import type { FleetSettings, FleetState, FleetTables, FromFleet, ToFleet } from "./fleet-messages.ts";

export class Fleet {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** Resolves when the processes are there; agents dial after `start`. */
  static async launch(processes: number): Promise<Fleet> {
    const children = Array.from({ length: processes }, () =>
      fork(join(import.meta.dirname, "fleet-main.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] }),
    );
    await Promise.all(children.map((child) => once(child, "message")));
    return new Fleet(children);
  }

  start({ url, controllerState, agents }: Omit<FleetSettings, "firstNode">): void {
    let firstNode = 0;
    this.#children.forEach((child, index) => {
      const count = Math.floor((agents * (index + 1)) / this.#children.length) - firstNode;
      tell(child, { kind: "start", url, controllerState, firstNode, agents: count });
      firstNode += count;
    });
  }

  cut(): void {
    for (const child of this.#children) tell(child, { kind: "cut" });
  }

  forgetLatencies(): void {
    for (const child of this.#children) tell(child, { kind: "forget-latencies" });
  }

  async state(withLatencies = false): Promise<FleetState> {
    const states = await Promise.all(
      this.#children.map((child) => ask<FleetState>(child, { kind: "state", withLatencies })),
    );
    const sum = (of: (state: FleetState) => number): number => states.reduce((total, state) => total + of(state), 0);
    const [first] = states;
    const sameEpoch = states.every((state) => state.epoch === first?.epoch);
    return {
      kind: "state",
      connected: sum((state) => state.connected),
      epoch: first?.epoch,
      leastSequence: sameEpoch ? Math.min(...states.map((state) => state.leastSequence)) : -1,
      markedNodes: Math.min(...states.map((state) => state.markedNodes)),
      snapshots: sum((state) => state.snapshots),
      deltas: sum((state) => state.deltas),
      refused: sum((state) => state.refused),
      latencies: addCounts(states.map((state) => state.latencies)),
      maxLatencyMs: Math.max(...states.map((state) => state.maxLatencyMs)),
      samples: sum((state) => state.samples),
    };
  }

  /** JSON of every table that is held somewhere. */
  async tables(): Promise<readonly string[]> {
    const all = await Promise.all(this.#children.map((child) => ask<FleetTables>(child, { kind: "tables" })));
    return all.flatMap(({ shared, own }) => [shared, own]);
  }

  get pids(): readonly number[] {
    return this.#children.map((child) => child.pid ?? 0);
  }

  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

function tell(child: ChildProcess, message: ToFleet): void {
  child.send(message);
}

/** One question at a time per process. */
async function ask<T extends FromFleet>(child: ChildProcess, message: ToFleet): Promise<T> {
  const answered = once(child, "message");
  tell(child, message);
  const [answer] = (await answered) as [T];
  return answer;
}
