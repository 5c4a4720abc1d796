/**
 * What the leader does for nodes, once a second:
 *
 *   a node with the taint `hawser.dev/agent-not-ready`, whose agent has been ready -> the taint is removed, no other is
 *   a mark of presence whose node is gone                                         -> the mark is removed
 *
 * Every replica follows which nodes there are, so that a new leader knows what the last one knew.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { isKubeStatus, type KubeClient } from "../../kubernetes/kube-client.ts";
import type { AgentPresence } from "../agent-presence.ts";
import type { Leadership } from "../leadership.ts";
import { timers } from "../limits.ts";
import { AGENT_TAINT } from "./agent-taint.ts";
import type { NodeObject } from "./cluster-objects.ts";

export interface NodeCareOptions {
  readonly client: Pick<KubeClient, "get" | "patch">;
  readonly leadership: Leadership;
  readonly presence: Pick<AgentPresence, "nodes" | "remove">;
  /** Names of the nodes that have the taint now. */
  readonly nodesWithTaint: () => readonly string[];
  readonly count?: (result: "removed" | "failed") => void;
  readonly clock: Clock;
  readonly log: Log;
}

type Taints = NonNullable<NonNullable<NodeObject["spec"]>["taints"]>;

export class NodeCare {
  readonly #options: NodeCareOptions;
  /** Of the newest table. */
  #nodes: ReadonlySet<string> = new Set();
  /** Nodes with a mark and without a place in the table -> since when (monotonic); the past for one that left it. */
  readonly #absentSinceMs = new Map<string, number>();
  #timer: Timer | undefined;
  #caring: Promise<void> | undefined;
  #lastFailure = "";

  constructor(options: NodeCareOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.every(timers.nodeCareMs, () => {
      this.#caring ??= this.#care().finally(() => (this.#caring = undefined));
    });
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#caring;
  }

  /** The nodes of the table in force. */
  setNodes(nodes: ReadonlySet<string>): void {
    for (const node of this.#nodes) if (!nodes.has(node)) this.#absentSinceMs.set(node, Number.NEGATIVE_INFINITY);
    for (const node of nodes) this.#absentSinceMs.delete(node);
    this.#nodes = nodes;
  }

  /** Never rejects. */
  async #care(): Promise<void> {
    this.#forgetGone();
    const { leadership, nodesWithTaint, presence } = this.#options;
    for (const node of nodesWithTaint()) {
      if (leadership.isLeader && presence.nodes.has(node)) await this.#removeTaint(node);
    }
  }

  #forgetGone(): void {
    const { clock, leadership, log, presence } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const node of this.#absentSinceMs.keys()) if (!presence.nodes.has(node)) this.#absentSinceMs.delete(node);
    for (const node of presence.nodes) {
      if (this.#nodes.has(node)) continue;
      const sinceMs = this.#absentSinceMs.get(node) ?? nowMs;
      this.#absentSinceMs.set(node, sinceMs);
      // One that was never seen may be new, and our own watch of nodes behind.
      if (!leadership.isLeader || nowMs - sinceMs < timers.unknownNodeMs) continue;
      log.info({ node }, "Node is gone, its agent's mark is removed");
      presence.remove(node);
    }
  }

  async #removeTaint(node: string): Promise<void> {
    const { client, count, log } = this.#options;
    try {
      const path = `/api/v1/nodes/${encodeURIComponent(node)}`;
      const { spec } = await client.get<NodeObject>(path);
      const patch = removalOf(spec?.taints ?? []);
      if (patch.length === 0) return;
      await client.patch(path, "application/json-patch+json", patch);
      count?.("removed");
      log.info({ node, taint: AGENT_TAINT }, "Taint removed, the node's agent is ready");
    } catch (error) {
      this.#failed(node, error);
    }
  }

  #failed(node: string, error: unknown): void {
    // Somebody else changed the taints, or the node is gone: the next look sees how it is now.
    if (isKubeStatus(error, 404) || isKubeStatus(error, 409) || isKubeStatus(error, 422)) return;
    this.#options.count?.("failed");
    const reason = describeError(error);
    if (reason === this.#lastFailure) return;
    this.#lastFailure = reason;
    this.#options.log.warn({ node, taint: AGENT_TAINT, error: reason }, "Cannot remove a taint, trying again");
  }
}

/** JSON patch (RFC 6902) that fails when the taints are not those that were read. From the last: indexes stay true. */
function removalOf(taints: Taints): object[] {
  return taints
    .map((taint, index) => ({ taint, path: `/spec/taints/${index}` }))
    .filter(({ taint }) => taint.key === AGENT_TAINT)
    .reverse()
    .flatMap(({ taint, path }) => [
      { op: "test", path, value: taint },
      { op: "remove", path },
    ]);
}
