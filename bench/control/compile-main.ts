/**
 * What the compiler of the table costs in a large Kubernetes cluster: a state as a whole, and one changed slice or pod after
 * the other, beside a problem that stays.
 *
 *   node bench/control/compile-main.ts
 */
import type { Document } from "../../protocol/documents/document.ts";
import { parseDocuments } from "../../protocol/documents/parse-documents.ts";
import type { CompileResult } from "../../routing/compile.ts";
import { diffTables } from "../../routing/diff.ts";
import { TableCompiler } from "../../routing/table-compiler.ts";
import { median, quantile } from "../statistics.ts";
import { nodeName, nodeText, podIp, podName, podText, serviceName, serviceText } from "./cluster-files.ts";

const SIZE = { nodes: 1_000, pods: 10_000, services: 1_000 };
/** Of a single Service: the endpoint controller fills slices with a hundred endpoints. */
const LARGE_SERVICE = { nodes: 1_000, pods: 10_000, services: 1 };
const ENDPOINTS_PER_SLICE = 100;
const CHANGES = 200;
const WHOLES = 10;

/** A problem that stays: its Service does not exist. */
const PROBLEM = `apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: gone, namespace: bench }
spec: { targetRef: { kind: Service, name: gone } }
`;

class Cluster {
  readonly #size: typeof SIZE;
  readonly #agentNodes: ReadonlySet<string>;
  readonly #compiler = new TableCompiler();
  readonly #fixed: readonly Document[];
  readonly #pods: Document[];
  readonly #slices: Document[] = [];
  #last: CompileResult | undefined;

  constructor(size: typeof SIZE) {
    this.#size = size;
    const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);
    this.#agentNodes = new Set(numbers(size.nodes).map(nodeName));
    this.#fixed = [...numbers(size.nodes).map(nodeText), ...numbers(size.services).map(serviceText), PROBLEM].flatMap(
      read,
    );
    this.#pods = numbers(size.pods).flatMap((pod) => read(podText(size, pod, undefined, false)));
    for (let slice = 0; slice < this.sliceCount; slice += 1) this.#slices.push(this.#slice(slice, true));
    this.compile();
  }

  get sliceCount(): number {
    const { pods, services } = this.#size;
    return services * Math.ceil(pods / services / ENDPOINTS_PER_SLICE);
  }

  /** Its first endpoint fails its readiness, or is ready again. */
  changeSlice(change: number): void {
    const slice = change % this.sliceCount;
    this.#slices[slice] = this.#slice(slice, Math.floor(change / this.sliceCount) % 2 === 1);
  }

  changePod(change: number): void {
    const pod = change % this.#size.pods;
    this.#pods.splice(pod, 1, ...read(podText(this.#size, pod, change, false)));
  }

  compile(compiler = this.#compiler): {
    readonly ms: number;
    readonly result: CompileResult;
    readonly changed: number;
  } {
    const documents = [...this.#fixed, ...this.#pods, ...this.#slices];
    const beganMs = performance.now();
    const result = compiler.compile({ documents, agentNodes: this.#agentNodes, judgement: "each" });
    const change = this.#last === undefined ? undefined : diffTables(this.#last.contents, result.contents);
    const ms = performance.now() - beganMs;
    this.#last = result;
    const { workload = [], endpoint = [] } = change?.upserts ?? {};
    return { ms, result, changed: workload.length + endpoint.length };
  }

  #slice(slice: number, ready: boolean): Document {
    const { pods, services, nodes } = this.#size;
    const service = slice % services;
    const first = service + Math.floor(slice / services) * ENDPOINTS_PER_SLICE * services;
    const endpoints: string[] = [];
    for (let pod = first; pod < pods && endpoints.length < ENDPOINTS_PER_SLICE; pod += services) {
      const ref = `{ kind: Pod, namespace: bench, name: ${podName(this.#size, pod)} }`;
      const place = `nodeName: ${nodeName(pod % nodes)}, targetRef: ${ref}`;
      endpoints.push(
        `{ addresses: [${podIp(this.#size, pod, false)}], conditions: { ready: ${ready || pod !== first} }, ${place} }`,
      );
    }
    const [document] = read(`apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${serviceName(service)}-${slice}
  namespace: bench
  labels: { kubernetes.io/service-name: ${serviceName(service)} }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [${endpoints.join(", ")}]
`);
    return document as Document;
  }
}

function read(text: string): readonly Document[] {
  const { documents, problems } = parseDocuments(text, "bench.yaml");
  const [problem] = problems;
  if (problem !== undefined) throw new Error(problem.message);
  return documents;
}

function tell(what: string, times: readonly number[]): void {
  const figures = [0.5, 0.99].map((part) => quantile(times, part).toFixed(1)).join(" / ");
  console.log(`${what.padEnd(64)} ${figures} ms`);
}

/** Each change must be one entry of the table, or else it is something else that was measured. */
function timeChanges(cluster: Cluster, change: (number: number) => void): readonly number[] {
  const compiled = Array.from({ length: CHANGES }, (_, number) => {
    change(number);
    return cluster.compile();
  });
  if (median(compiled.map(({ changed }) => changed)) !== 1) throw new Error("A change did not change one entry");
  return compiled.map(({ ms }) => ms);
}

const cluster = new Cluster(SIZE);
tell(
  "10,000 pods, 1,000 Services, 1,000 slices: all of it",
  Array.from({ length: WHOLES }, () => cluster.compile(new TableCompiler()).ms),
);
cluster.compile();
tell(
  "  one slice",
  timeChanges(cluster, (number) => cluster.changeSlice(number)),
);
tell(
  "  one pod",
  timeChanges(cluster, (number) => cluster.changePod(number)),
);
const large = new Cluster(LARGE_SERVICE);
tell(
  "10,000 pods of one Service, 100 slices: one slice",
  timeChanges(large, (number) => large.changeSlice(number)),
);
