/**
 * What a table costs the agent of one node: writes the table of a cluster to a file and has processes of their own
 * (agent-cost-main.ts) take it as an agent does, one after the other.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { agentNodeFlags } from "../../build/node-flags.ts";
import { HawserError } from "../../core/errors.ts";
import { runCommand } from "../../core/run-command.ts";
import type { SnapshotMessage } from "../../protocol/channel.ts";
import { parseDocuments } from "../../protocol/documents/parse-documents.ts";
import { compileTable } from "../../routing/compile.ts";
import { median } from "../statistics.ts";
import type { BenchPrograms } from "./bench-programs.ts";
import { ClusterFiles, nodeName } from "./cluster-files.ts";
import type { AgentCostReport, ControlBenchOptions } from "./control-report.ts";

const TIMEOUT_MS = 60_000;
/** What V8 has not collected yet is by chance, and so is what a change of the sets waits for. */
const PROCESSES = 3;

export async function measureAgentCost(
  { agents, pods, services }: ControlBenchOptions,
  programs: BenchPrograms,
): Promise<AgentCostReport> {
  const directory = mkdtempSync(join(tmpdir(), "hawser-agent-cost-"));
  try {
    const documents = new ClusterFiles(directory, { nodes: agents, pods, services });
    documents.writeAll();
    const file = join(directory, "snapshot.zst");
    writeFileSync(file, zstdCompressSync(JSON.stringify(snapshotOf(documents.path, agents))));
    const reports: AgentCostReport[] = [];
    const argv = [process.execPath, ...agentNodeFlags, "--expose-gc", programs.agentCost, file, nodeName(0)];
    while (reports.length < PROCESSES) reports.push(await oneProcess(argv));
    return medianOf(reports);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function oneProcess(argv: readonly string[]): Promise<AgentCostReport> {
  const { exitCode, stdout, stderr } = await runCommand(argv, { timeoutMs: TIMEOUT_MS });
  if (exitCode !== 0) throw new HawserError("agent-cost", `Cannot measure what a table costs an agent: ${stderr}`);
  return JSON.parse(stdout) as AgentCostReport;
}

/** Of each figure by itself. */
function medianOf(reports: readonly AgentCostReport[]): AgentCostReport {
  const of = (figure: keyof AgentCostReport): number => median(reports.map((report) => report[figure]));
  return {
    pods: of("pods"),
    residentMb: of("residentMb"),
    mainHeapMb: of("mainHeapMb"),
    workerHeapMb: of("workerHeapMb"),
    viewMs: of("viewMs"),
    setsMs: of("setsMs"),
    changeMs: of("changeMs"),
    setMembers: of("setMembers"),
  };
}

function snapshotOf(directory: string, agents: number): SnapshotMessage {
  const texts = readdirSync(directory).map((name) => readFileSync(join(directory, name), "utf8"));
  const documents = texts.flatMap((text) => parseDocuments(text, "bench.yaml").documents);
  const agentNodes = new Set(Array.from({ length: agents }, (_, number) => nodeName(number)));
  const { contents } = compileTable({ documents, agentNodes });
  return { kind: "snapshot", table: { ...contents, epoch: "bench", sequence: 1 } };
}
