/**
 * Which roots the controller's certificate may lead to: those of the CA file as it is at every dial, and those that a
 * controller has named last over a channel. The file may lag behind (a mounted ConfigMap, a minute) or be a copy that
 * nobody renews; an agent must be let in during and after a rotation all the same.
 *
 * Learnt roots replace what was learnt before, so that a root that was given up is given up here too.
 */
import { readFileSync } from "node:fs";
import type { Log } from "../../core/log.ts";
import { describeError } from "../../core/errors.ts";
import { writeFileAtomic } from "../../core/write-file-atomic.ts";

export interface ChannelTrustOptions {
  readonly caFile: string;
  /** Where learnt roots outlive a restart. */
  readonly learntFile: string;
  readonly log: Log;
}

export class ChannelTrust {
  readonly #options: ChannelTrustOptions;
  #learnt: string | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: ChannelTrustOptions) {
    this.#options = options;
  }

  /** PEM. Throws the system's error when the CA file cannot be read and nothing was learnt. */
  roots(): string {
    const { caFile, learntFile } = this.#options;
    this.#learnt ??= readOr(learntFile, () => "");
    const learnt = this.#learnt;
    const configured = readOr(caFile, (error) => {
      if (learnt === "") throw error;
      return "";
    });
    return configured.includes(learnt) ? configured : `${configured}\n${learnt}`;
  }

  /** `rootsPem` came over a channel that was trusted; it is a root bundle. Never rejects. */
  async learn(rootsPem: string): Promise<void> {
    if (this.#learnt === rootsPem) return;
    this.#learnt = rootsPem;
    this.#writing = this.#writing.then(() => this.#write(rootsPem));
    await this.#writing;
  }

  async #write(rootsPem: string): Promise<void> {
    const { learntFile, log } = this.#options;
    try {
      await writeFileAtomic(learntFile, rootsPem);
    } catch (error) {
      const facts = { path: learntFile, error: describeError(error) };
      log.error(facts, "Cannot store the controller's roots, a restarted agent has only those of the CA file");
    }
  }
}

function readOr(path: string, otherwise: (error: unknown) => string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return otherwise(error);
  }
}
