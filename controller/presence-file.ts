/**
 * Presence of agents in the state directory (`agents.json`). A node is counted once it is on disk; those that come while
 * one write is under way share the next.
 */
import type { AgentPresence } from "./agent-presence.ts";
import type { StateFiles } from "./state-files.ts";

export class PresenceFile implements AgentPresence {
  readonly #files: Pick<StateFiles, "loadAgentNodes" | "saveAgentNodes">;
  #nodes: ReadonlySet<string> = new Set();
  /** What is to be remembered. */
  #wanted = new Set<string>();
  #dirty = false;
  #saving: Promise<void> = Promise.resolve();
  #writes = 0;
  #onChange: () => void = () => {};

  constructor(files: Pick<StateFiles, "loadAgentNodes" | "saveAgentNodes">) {
    this.#files = files;
  }

  async start(onChange: () => void): Promise<void> {
    this.#nodes = await this.#files.loadAgentNodes();
    this.#wanted = new Set(this.#nodes);
    this.#onChange = onChange;
  }

  get nodes(): ReadonlySet<string> {
    return this.#nodes;
  }

  get isSettled(): boolean {
    return this.#writes === 0;
  }

  add(node: string): void {
    if (this.#wanted.has(node)) return;
    this.#wanted.add(node);
    this.#save();
  }

  remove(node: string): void {
    if (this.#wanted.delete(node)) this.#save();
  }

  /** The nodes of the table: others are forgotten. */
  keep(nodes: ReadonlySet<string>): void {
    const gone = [...this.#wanted].filter((node) => !nodes.has(node));
    for (const node of gone) this.#wanted.delete(node);
    if (gone.length > 0) this.#save();
  }

  async close(): Promise<void> {
    await this.#saving;
  }

  #save(): void {
    this.#dirty = true;
    this.#writes += 1;
    this.#saving = this.#saving.then(() => this.#write()).finally(() => (this.#writes -= 1));
  }

  async #write(): Promise<void> {
    if (!this.#dirty) return;
    this.#dirty = false;
    const nodes = new Set(this.#wanted);
    // A disk that fails is told and counted there; the mesh goes on with what is known here.
    await this.#files.saveAgentNodes(nodes);
    this.#nodes = nodes;
    this.#onChange();
  }
}
