/** The targets of the control plane, and how a report compares with them (pure). */
import type { ControlBenchReport } from "./control-report.ts";

export interface TargetOutcome {
  readonly name: string;
  readonly wanted: string;
  readonly found: string;
  readonly met: boolean;
}

/** A person who deploys should not see the mesh lag behind. */
const MAX_P99_MS = 1_000;
/** A thousand nodes and a change per second: 1 MB/s in all. */
const MAX_BYTES_PER_CHANGE = 1_024;
const MAX_CONTROLLER_MB = 300;
/** On every node. */
const MAX_AGENT_TABLE_MB = 60;
const MAX_SETS_MS = 50;

export function judgeTargets({ options, plane, agent }: ControlBenchReport): readonly TargetOutcome[] {
  const { single, sustained, controller } = plane;
  return [
    atMost(`change to applied, p99, ${options.rate} changes/s`, sustained.p99Ms, MAX_P99_MS, "ms"),
    {
      name: "every change in force at every agent",
      wanted: `${sustained.changes * options.agents}`,
      found: `${sustained.samples}`,
      met: sustained.samples === sustained.changes * options.agents,
    },
    atMost("one change to one agent, on the wire", single.bytesPerChangePerAgent, MAX_BYTES_PER_CHANGE, "bytes"),
    atMost("controller, peak of resident memory", controller.peakMb, MAX_CONTROLLER_MB, "MB"),
    atMost(`agent, memory for a table of ${agent.pods} pods`, agent.residentMb, MAX_AGENT_TABLE_MB, "MB"),
    atMost(`agent, one pod changes in sets of ${agent.setMembers}`, agent.setsMs, MAX_SETS_MS, "ms"),
    atMost("document states refused", controller.refusals, 0, ""),
    atMost("table messages refused by agents", plane.agentRefusals, 0, ""),
    { name: "tables agree everywhere", wanted: "yes", found: plane.tablesAgree ? "yes" : "no", met: plane.tablesAgree },
  ];
}

function atMost(name: string, found: number, wanted: number, unit: string): TargetOutcome {
  // Not `found > wanted`: a figure that could not be measured is no success.
  const met = found <= wanted;
  return { name, wanted: `<= ${wanted} ${unit}`.trim(), found: `${round(found)} ${unit}`.trim(), met };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
