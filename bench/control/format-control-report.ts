/** The report for a person: figures, then every target with what was found (pure). */
import type { ControlBenchReport, ControlLoad, ControlStorm } from "./control-report.ts";
import { judgeTargets } from "./control-targets.ts";

export function formatControlReport(report: ControlBenchReport): string {
  const { options, plane, agent } = report;
  const { coldStart, idle, controller } = plane;
  const lines = [
    `${options.agents} agents, ${options.pods} pods, ${options.services} services`,
    `cold start     listens after ${ms(coldStart.listensMs)}, converged after ${ms(coldStart.convergedMs)}, ${coldStart.megabytes.toFixed(0)} MB sent, ${seconds(coldStart.controllerCpuSeconds)} cpu`,
    `idle           ${idle.bytesPerSecondPerAgent.toFixed(0)} B/s per agent, controller ${idle.controllerCpuPercent.toFixed(1)} % cpu`,
    `one change     ${load(plane.single)}`,
    `${String(options.rate).padEnd(4)} changes/s ${load(plane.sustained)}`,
    `reconnect      ${storm(plane.reconnect)}`,
    `restart        ${storm(plane.restart)}`,
    `controller     ${controller.listeningMb.toFixed(0)} MB when it listens, ${controller.convergedMb.toFixed(0)} MB with all agents, ${controller.residentMb.toFixed(0)} MB after the changes, peak ${controller.peakMb.toFixed(0)} MB, ${seconds(controller.cpuSeconds)} cpu before the restart`,
    `agent          table ${agent.residentMb.toFixed(0)} MB resident, heaps ${agent.mainHeapMb.toFixed(0)} and ${agent.workerHeapMb.toFixed(0)} MB; one pod: view ${ms(agent.viewMs)}, sets ${ms(agent.setsMs)}`,
    "",
    ...judgeTargets(report).map(
      ({ met, name, wanted, found }) => `${met ? "ok  " : "MISS"}  ${name}: ${found} (wanted ${wanted})`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

function load(figures: ControlLoad): string {
  const { p50Ms, p99Ms, maxMs, bytesPerChangePerAgent, tables, controllerCpuSeconds } = figures;
  const applied = `applied p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, max ${ms(maxMs)}`;
  const sent = `${bytesPerChangePerAgent.toFixed(0)} B per change and agent, ${tables} tables`;
  return `${applied}; ${sent}; ${seconds(controllerCpuSeconds)} cpu in ${seconds(figures.seconds)}`;
}

function storm({ convergedMs, snapshots, deltas, controllerCpuSeconds, megabytes }: ControlStorm): string {
  const sent = `${snapshots} snapshots, ${deltas} changes, ${megabytes.toFixed(0)} MB`;
  return `all back and current after ${ms(convergedMs)}; ${sent}; ${seconds(controllerCpuSeconds)} cpu`;
}

function ms(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${value.toFixed(0)} ms`;
}

function seconds(value: number): string {
  return `${value.toFixed(1)} s`;
}
