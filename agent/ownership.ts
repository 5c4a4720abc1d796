/**
 * Which agent process of a node owns its rules: `owner.json` in the state directory.
 *
 *   nobody --claim--> mine --(another process claims)--> superseded --(that one is gone)--> mine
 *
 * Two agents run side by side during an upgrade. The newer one claims when it can serve; from then on the older one
 * neither repairs nor removes rules, it only finishes its connections. A claim ends with its process: whether that lives is
 * told by a port that it holds.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../core/write-file-atomic.ts";

export type Owner = "nobody" | "mine" | "other";

export interface OwnershipOptions {
  readonly stateDir: string;
  readonly instance: string;
  /** A port that this process holds for as long as it lives. */
  readonly port: number;
  readonly isPortHeld: (port: number) => boolean;
}

interface Claim {
  readonly instance: string;
  /** Undefined: of an agent that did not say. */
  readonly port: number | undefined;
}

export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #path: string;
  /** What we know without a disk: a dead disk must not make us forget that we own the rules. */
  #claimed = false;
  /** Port of the agent that the rules were taken from. */
  #predecessor: number | undefined;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#path = join(options.stateDir, "owner.json");
  }

  async owner(): Promise<Owner> {
    const claim = await this.#read();
    if (claim === undefined) return this.#claimed ? "mine" : "nobody";
    return claim.instance === this.#options.instance ? "mine" : "other";
  }

  /** Rejects with the system's error; the claim holds in this process all the same. */
  async claim(): Promise<void> {
    const { instance, port } = this.#options;
    const before = await this.#read();
    this.#predecessor = before?.instance === instance ? undefined : before?.port;
    this.#claimed = true;
    await writeFileAtomic(this.#path, `${JSON.stringify({ instance, pid: process.pid, port })}\n`);
  }

  /** Claims again where nobody does any more: another agent has come and gone, or the file was removed. Rejects likewise. */
  async renew(): Promise<void> {
    if (this.#claimed && (await this.#read()) === undefined) await this.claim();
  }

  /** The agent that the rules were taken from is still there, and could have them back. */
  get hasPredecessor(): boolean {
    return this.#predecessor !== undefined && this.#options.isPortHeld(this.#predecessor);
  }

  /** Gives the rules up, if they are ours. */
  async release(): Promise<void> {
    const owner = await this.owner();
    this.#claimed = false;
    if (owner === "mine") await rm(this.#path, { force: true });
  }

  /** The claim of a process that lives. */
  async #read(): Promise<Claim | undefined> {
    try {
      const value: unknown = JSON.parse(await readFile(this.#path, "utf8"));
      const { instance, port } = value as { instance?: unknown; port?: unknown };
      if (typeof instance !== "string") return undefined;
      if (typeof port !== "number") return { instance, port: undefined };
      const isDead = instance !== this.#options.instance && !this.#options.isPortHeld(port);
      return isDead ? undefined : { instance, port };
    } catch {
      // Missing or unreadable: nobody claims.
      return undefined;
    }
  }
}
