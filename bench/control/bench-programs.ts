/** The programs that are measured, as they ship: bundled into a directory that goes when the bench is done. */
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle, bundleProcess } from "../../build/bundle.ts";

const ROOT = join(import.meta.dirname, "../..");
/** What a table costs is measured by a main thread that does nothing else, and a data worker as it ships. */
const AGENT_COST = ["bench/control/agent-cost-main.ts", "agent/worker/worker-main.ts"];

export class BenchPrograms implements AsyncDisposable {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async bundle(): Promise<BenchPrograms> {
    const programs = new BenchPrograms(await mkdtemp(join(tmpdir(), "hawser-control-programs-")));
    await symlink(join(ROOT, "node_modules"), join(programs.#directory, "node_modules"));
    await bundle(programs.#directory);
    await bundleProcess(join(programs.#directory, "agent-cost"), AGENT_COST);
    return programs;
  }

  get controller(): string {
    return join(this.#directory, "controller/main.cjs");
  }

  get agentCost(): string {
    return join(this.#directory, "agent-cost/agent-cost-main.cjs");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
