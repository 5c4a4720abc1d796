/** As many bytes as go through, in one direction: `up` is from the caller to the called pod. */
import type { Load } from "./load.ts";
import { cpuPerUnit } from "./measure-window.ts";
import { requireEndpoint } from "./require-endpoint.ts";
import { runIperf } from "./run-programs.ts";

const MIB = 1024 * 1024;
const KINDS = [
  { streams: 1, direction: "up" },
  { streams: 1, direction: "down" },
  { streams: 8, direction: "up" },
  { streams: 8, direction: "down" },
] as const;

export const bulk: readonly Load[] = KINDS.map(({ streams, direction }) => ({
  id: `bulk-${streams}-${direction}`,
  group: "bulk",
  title: `Bulk ${direction} over ${streams} connection${streams === 1 ? "" : "s"}`,
  unit: "MiB",
  metrics: ["mibPerSecond", "cpuUs", "clientCpuUs", "serverCpuUs"],
  repeat: "every round",
  secondsPerSlice: ({ sliceSeconds }) => sliceSeconds,
  suits: () => true,
  run: async (variant, { sliceSeconds }) => {
    const { client, server } = variant.proxies ?? {};
    const before = [client?.cpuNs() ?? 0, server?.cpuNs() ?? 0] as const;
    const endpoint = requireEndpoint(variant, "bulk");
    const { bytes, seconds } = await runIperf(variant, endpoint, { streams, direction, seconds: sliceSeconds });
    const used = {
      clientCpuUs: ((client?.cpuNs() ?? 0) - before[0]) / 1_000,
      serverCpuUs: ((server?.cpuNs() ?? 0) - before[1]) / 1_000,
    };
    return { mibPerSecond: bytes / MIB / seconds, ...cpuPerUnit(variant, used, bytes / MIB) };
  },
}));
