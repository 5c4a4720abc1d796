/** A Kubernetes source before the double of an API server, and the states it gave. */
import type { ExecutionContext } from "ava";
import { Registry } from "prom-client";
import { systemClock } from "../../core/clock.ts";
import { KubernetesSource } from "../../controller/kubernetes/kubernetes-source.ts";
import { SourceMetrics } from "../../controller/kubernetes/source-metrics.ts";
import type { SourceState } from "../../controller/source.ts";
import { documentName } from "../../protocol/documents/document.ts";
import { ApiDouble } from "./api-double.ts";
import { eventually } from "./eventually.ts";
import { RecordingLog } from "./recording-log.ts";

export class SourceWorld {
  readonly double: ApiDouble;
  readonly log = new RecordingLog();
  readonly states: SourceState[] = [];
  readonly registry = new Registry();
  isLeader = true;
  readonly source: KubernetesSource;

  private constructor(double: ApiDouble, t: ExecutionContext) {
    this.double = double;
    const client = double.client();
    this.source = new KubernetesSource({
      client,
      namespace: "hawser-system",
      isLeader: () => this.isLeader,
      metrics: new SourceMetrics(this.registry),
      clock: systemClock,
      random: Math.random,
      log: this.log,
    });
    t.teardown(async () => {
      await this.source.close();
      client.close();
    });
  }

  static async open(t: ExecutionContext): Promise<SourceWorld> {
    const double = await ApiDouble.start();
    t.teardown(() => double.stop());
    return new SourceWorld(double, t);
  }

  /** A controller that is started anew on the same cluster. */
  another(t: ExecutionContext): SourceWorld {
    return new SourceWorld(this.double, t);
  }

  start(): Promise<void> {
    return this.source.start((state) => void this.states.push(state));
  }

  get last(): SourceState {
    const state = this.states.at(-1);
    if (state === undefined) throw new Error("No state was given");
    return state;
  }

  get names(): string[] {
    return this.last.documents.map(documentName).sort();
  }

  /** Resolves when the newest state is as wanted. */
  async until(what: string, isWanted: (state: SourceState) => boolean): Promise<SourceState> {
    return await eventually(what, () => this.states.length > 0 && isWanted(this.last) && this.last);
  }

  setSettings(data: Record<string, string>): void {
    this.double.put("/api/v1/namespaces/hawser-system/configmaps/hawser", { metadata: { name: "hawser" }, data });
  }

  putPod(name: string, metadata: object = {}, status: object = { phase: "Running", podIP: "10.244.1.5" }): void {
    const spec = { nodeName: "node-1", containers: [{ name: "main" }] };
    this.double.put(`/api/v1/namespaces/shop/pods/${name}`, { metadata: { name, ...metadata }, spec, status });
  }
}

/** The text of a Mesh document. */
export function meshText(spec: string): string {
  return `apiVersion: hawser.dev/v1\nkind: Mesh\nmetadata:\n  name: mesh\nspec:\n  ${spec}\n`;
}
