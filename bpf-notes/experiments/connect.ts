/** Experiment `connect`: a Service with its endpoint on the caller's node, translated at connect(2) instead of by netfilter. */
import type { Experiment } from "../experiment.ts";
import { AS_IS } from "../experiment.ts";
import { addressWord, LoadedPrograms, portWord } from "../loaded-programs.ts";
import type { TestBench } from "../test-bench.ts";
import { BULK, CALLS_1, CALLS_64, CLOSING } from "../wrk.ts";

const SERVICE = { address: "10.96.0.31", port: 80 };

export const connect: Experiment = {
  name: "connect",
  about: "pod on node-1 calls a Service whose endpoint is on node-1: no agent on the way",
  arms: [AS_IS, { name: "cgroup/connect4", enter: translateAtConnect }],
  loads: [CALLS_1, CALLS_64, CLOSING, BULK],
  authority: () => `${SERVICE.address}:${SERVICE.port}`,
  ownCgroup: true,
};

async function translateAtConnect(bench: TestBench): Promise<AsyncDisposable> {
  const programs = await LoadedPrograms.load("connect-service");
  const service = addressWord(SERVICE.address) + portWord(SERVICE.port);
  await programs.tell("put", "services", service, addressWord(bench.address("near")) + portWord(8080));
  await programs.tell("cgroup", "connect_service", bench.cgroup.clientDirectory);
  return programs;
}
