/** A process full of simulated agents; told what to do by its parent over the IPC channel, and ends with it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HawserError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { LatencyHistogram } from "../../lab/shop/latency-histogram.ts";
import { nodeName } from "./cluster-files.ts";
import type { FleetSettings, FleetState, FleetTables, FromFleet, ToFleet } from "./fleet-messages.ts";
import { SharedTable } from "./shared-table.ts";
import { SimulatedAgent } from "./simulated-agent.ts";

const nothing = (): void => {};
const error: Log["error"] = (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
const silentLog: Log = { keepsDebug: false, debug: nothing, info: nothing, warn: nothing, error };

class Fleet {
  readonly #shared = new SharedTable();
  readonly #agents: SimulatedAgent[] = [];
  #latencies = new LatencyHistogram();
  #samples = 0;
  #maxLatencyMs = 0;

  start({ url, controllerState, firstNode, agents }: FleetSettings): void {
    const roots = readFileSync(join(controllerState, "ca-root.pem"), "utf8");
    for (let number = firstNode; number < firstNode + agents; number += 1) {
      const node = nodeName(number);
      const tokenFile = join(controllerState, "tokens", node);
      const agent = new SimulatedAgent({
        url,
        node,
        credentials: () => ({ token: readFileSync(tokenFile, "utf8").trim(), roots }),
        shared: number === firstNode ? undefined : this.#shared,
        onChange: (latencyMs) => this.#record(latencyMs),
        log: silentLog,
      });
      this.#agents.push(agent);
      agent.start();
    }
  }

  cut(): void {
    for (const agent of this.#agents) agent.cut();
  }

  forgetLatencies(): void {
    this.#latencies = new LatencyHistogram();
    this.#samples = 0;
    this.#maxLatencyMs = 0;
  }

  state(withLatencies: boolean): FleetState {
    const positions = this.#agents.map((agent) => agent.position);
    const counts = this.#agents.map((agent) => agent.counts);
    const epoch = positions[0]?.epoch;
    const sequences = positions.map((position) => (position?.epoch === epoch ? (position?.sequence ?? -1) : -1));
    return {
      kind: "state",
      connected: this.#agents.filter((agent) => agent.connected).length,
      epoch,
      leastSequence: Math.min(...sequences),
      markedNodes: [...(this.#agents[0]?.ownTable?.nodes() ?? [])].filter((node) => node.agent).length,
      snapshots: counts.reduce((sum, count) => sum + count.snapshots, 0),
      deltas: counts.reduce((sum, count) => sum + count.deltas, 0),
      refused: counts.reduce((sum, count) => sum + count.refused, 0),
      latencies: withLatencies ? this.#latencies.counts() : [],
      maxLatencyMs: this.#maxLatencyMs,
      samples: this.#samples,
    };
  }

  tables(): FleetTables {
    const own = this.#agents[0]?.ownTable?.toSnapshot();
    // A fleet of one has nobody who shares.
    const shared = this.#agents.length > 1 ? this.#shared.table?.toSnapshot() : own;
    return { kind: "tables", shared: JSON.stringify(shared), own: JSON.stringify(own) };
  }

  #record(latencyMs: number): void {
    this.#latencies.record(latencyMs);
    this.#samples += 1;
    this.#maxLatencyMs = Math.max(this.#maxLatencyMs, latencyMs);
  }
}

function answer(message: FromFleet): void {
  process.send?.(message);
}

if (process.send === undefined) throw new HawserError("not-a-fleet", "This program is started by the control bench");
const fleet = new Fleet();
process.on("message", (message: ToFleet) => {
  switch (message.kind) {
    case "start":
      fleet.start(message);
      return;
    case "state":
      answer(fleet.state(message.withLatencies));
      return;
    case "forget-latencies":
      fleet.forgetLatencies();
      return;
    case "cut":
      fleet.cut();
      return;
    case "tables":
      answer(fleet.tables());
      return;
  }
});
process.once("disconnect", () => process.exit(0));
answer({ kind: "ready" });
