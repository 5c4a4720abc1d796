/** Looks at an agent from outside: its /metrics, and what the kernel says of its process. */
import type { Lab } from "../../lab/lab-client.ts";
import { type MetricSample, parsePrometheusText } from "../../lab/report/prometheus-text.ts";
import type { ProcessGroup } from "../measure/process-group.ts";
import type { SoakSample } from "./soak-result.ts";

const PREFIX = "hawser_";
const BYTES_PER_KIB = 1_024;
/** Of Node's names for what an event loop waits for. */
const SOCKETS: ReadonlySet<string> = new Set(["TCPSocketWrap", "TLSSocketWrap"]);

export async function sampleAgent(lab: Lab, node: string, agent: ProcessGroup, atSeconds: number): Promise<SoakSample> {
  const { body } = await lab.call("nodeHttp", { node, path: "/metrics" });
  return { atSeconds, ...readSample(body, agent.residentKib()) };
}

/** `text`: of /metrics (pure). */
export function readSample(text: string, residentKib: number): Pick<SoakSample, "counts" | "memory"> {
  const samples = parsePrometheusText(text, PREFIX);
  const sum = (name: string, wanted: (sample: MetricSample) => boolean = () => true): number =>
    samples
      .filter((sample) => sample.name === PREFIX + name && wanted(sample))
      .reduce((all, { value }) => all + value, 0);
  return {
    counts: {
      connections: sum("streams_open"),
      requests: sum("http_requests_open"),
      upstreams: sum("http_upstreams_open"),
      tunnels: sum("tunnels_open"),
      timers: sum("worker_timers"),
      sockets: sum("worker_resources", ({ labels }) => SOCKETS.has(labels["kind"] ?? "")),
      bufferedBytes: sum("buffered_bytes"),
    },
    memory: {
      residentKib,
      heapKib: sum("worker_heap_bytes") / BYTES_PER_KIB,
      externalKib: sum("worker_external_bytes") / BYTES_PER_KIB,
    },
  };
}
