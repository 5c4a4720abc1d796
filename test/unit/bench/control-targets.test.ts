import test from "ava";
import type { ControlBenchReport, ControlLoad, ControlStorm } from "../../../bench/control/control-report.ts";
import { judgeTargets } from "../../../bench/control/control-targets.ts";
import { formatControlReport } from "../../../bench/control/format-control-report.ts";

const load: ControlLoad = {
  changes: 100,
  p50Ms: 100,
  p99Ms: 300,
  maxMs: 400,
  samples: 1_000,
  bytesPerChangePerAgent: 900,
  tables: 20,
  controllerCpuSeconds: 1,
  seconds: 1,
};
const storm: ControlStorm = { convergedMs: 500, snapshots: 0, deltas: 10, controllerCpuSeconds: 1, megabytes: 1 };

const report: ControlBenchReport = {
  options: { agents: 10, pods: 100, services: 10, seconds: 1, rate: 100, runtimeFlags: [] },
  plane: {
    coldStart: { listensMs: 500, convergedMs: 1_000, controllerCpuSeconds: 1, megabytes: 1 },
    idle: { bytesPerSecondPerAgent: 200, controllerCpuPercent: 1 },
    single: load,
    sustained: load,
    reconnect: storm,
    restart: storm,
    controller: { listeningMb: 150, convergedMb: 170, peakMb: 200, residentMb: 180, cpuSeconds: 3, refusals: 0 },
    agentRefusals: 0,
    tablesAgree: true,
  },
  agent: {
    pods: 100,
    residentMb: 10,
    mainHeapMb: 4,
    workerHeapMb: 4,
    viewMs: 5,
    setsMs: 10,
    changeMs: 15,
    setMembers: 90,
  },
};

function missed(changed: ControlBenchReport): string[] {
  return judgeTargets(changed)
    .filter(({ met }) => !met)
    .map(({ name }) => name);
}

test("a report within the targets meets them all", (t) => {
  t.deepEqual(missed(report), []);
  t.false(formatControlReport(report).includes("MISS"));
});

test("every figure beyond its target is a miss of its own", (t) => {
  const { plane, agent } = report;
  const worse = (part: Partial<ControlBenchReport["plane"]>) => missed({ ...report, plane: { ...plane, ...part } });
  t.regex(worse({ sustained: { ...load, p99Ms: 1_001 } }).join(), /p99/);
  t.regex(worse({ sustained: { ...load, samples: 999 } }).join(), /every change/);
  t.regex(worse({ single: { ...load, bytesPerChangePerAgent: 1_025 } }).join(), /on the wire/);
  t.regex(worse({ controller: { ...plane.controller, peakMb: 301 } }).join(), /resident memory/);
  t.regex(worse({ controller: { ...plane.controller, refusals: 1 } }).join(), /states refused/);
  t.regex(worse({ agentRefusals: 1 }).join(), /messages refused/);
  t.regex(worse({ tablesAgree: false }).join(), /tables agree/);
  t.regex(missed({ ...report, agent: { ...agent, residentMb: 61 } }).join(), /memory for a table/);
  t.regex(missed({ ...report, agent: { ...agent, setsMs: 51 } }).join(), /one pod changes/);
});

test("a figure that could not be measured is a miss", (t) => {
  t.deepEqual(missed({ ...report, agent: { ...report.agent, setsMs: Number.NaN } }).length, 1);
  t.true(formatControlReport({ ...report, plane: { ...report.plane, tablesAgree: false } }).includes("MISS"));
});
