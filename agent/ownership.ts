/**
 * Which agent process of a node owns its rules: `owner.json` in the state directory.
 *
 *   nobody --claim--> mine --(another process claims)--> superseded
 *
 * Two agents run side by side during an upgrade. The newer one claims when it can serve; from then on the older one
 * neither repairs nor removes rules, it only finishes its connections.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../core/write-file-atomic.ts";

export type Owner = "nobody" | "mine" | "other";

export class Ownership {
  readonly #path: string;
  readonly #instance: string;
  /** What we know without a disk: a dead disk must not make us forget that we own the rules. */
  #claimed = false;

  constructor(options: { stateDir: string; instance: string }) {
    this.#path = join(options.stateDir, "owner.json");
    this.#instance = options.instance;
  }

  async owner(): Promise<Owner> {
    const instance = await this.#read();
    if (instance === undefined) return this.#claimed ? "mine" : "nobody";
    return instance === this.#instance ? "mine" : "other";
  }

  /** Rejects with the system's error; the claim holds in this process all the same. */
  async claim(): Promise<void> {
    this.#claimed = true;
    await writeFileAtomic(this.#path, `${JSON.stringify({ instance: this.#instance, pid: process.pid })}\n`);
  }

  /** Gives the rules up, if they are ours. */
  async release(): Promise<void> {
    const owner = await this.owner();
    this.#claimed = false;
    if (owner === "mine") await rm(this.#path, { force: true });
  }

  async #read(): Promise<string | undefined> {
    try {
      const value: unknown = JSON.parse(await readFile(this.#path, "utf8"));
      const instance = (value as { instance?: unknown } | null)?.instance;
      return typeof instance === "string" ? instance : undefined;
    } catch {
      // Missing or unreadable: nobody claims.
      return undefined;
    }
  }
}
