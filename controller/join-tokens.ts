/**
 * Join tokens: one secret per node of the table, in `<state>/tokens/<node>` (0600), which the operator brings to the node.
 *
 * The directory mirrors the table: a node that leaves it loses its token, and with it the right to join. Tokens are
 * looked up by digest and compared in constant time, so that timing tells nothing about them.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { writeFileAtomic } from "../core/write-file-atomic.ts";
import type { AgentAuthenticator, Authentication } from "./agent-authenticator.ts";

export interface JoinTokensOptions {
  readonly directory: string;
  readonly log: Log;
  readonly count?: (event: "store-failed") => void;
}

interface Known {
  readonly node: string;
  readonly digest: Buffer;
}

const TOKEN_BYTES = 32;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;
/** RFC 1123 subdomain: also what keeps a node's name inside the directory. */
const NODE_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

export class JoinTokens implements AgentAuthenticator {
  readonly #options: JoinTokensOptions;
  readonly #byDigest = new Map<string, Known>();
  readonly #digestByNode = new Map<string, string>();
  /** The directory mirrors exactly these nodes; undefined when that is not known. */
  #mirrored: ReadonlySet<string> | undefined;

  constructor(options: JoinTokensOptions) {
    this.#options = options;
  }

  /**
   * Makes tokens and files match `nodes`; tokens of other nodes are void when this returns its promise. Never rejects: a
   * node whose file cannot be written cannot join, and is tried again with the next table.
   */
  async setNodes(nodes: ReadonlySet<string>): Promise<void> {
    // Most tables differ by pods only.
    if (this.#mirrored?.size === nodes.size && this.#mirrored.isSubsetOf(nodes)) return;
    this.#mirrored = nodes;
    for (const node of this.#digestByNode.keys()) if (!nodes.has(node)) this.#forget(node);
    try {
      await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
      await chmod(this.#options.directory, 0o700);
      for (const name of await readdir(this.#options.directory)) {
        if (!nodes.has(name)) await rm(join(this.#options.directory, name), { force: true });
      }
    } catch (error) {
      this.#failed(this.#options.directory, error);
    }
    for (const node of nodes) if (!this.#digestByNode.has(node)) await this.#add(node);
  }

  async authenticate(token: string): Promise<Authentication> {
    const digest = digestOf(token);
    const known = this.#byDigest.get(digest.toString("hex"));
    if (known !== undefined && timingSafeEqual(known.digest, digest)) return { node: known.node };
    return { refused: "token", detail: "the token is not that of a node of the table" };
  }

  async #add(node: string): Promise<void> {
    const path = join(this.#options.directory, node);
    try {
      if (!NODE_NAME.test(node)) throw new Error(`${JSON.stringify(node)} is not a node name`);
      let token = await readToken(path);
      if (token === undefined) {
        token = randomBytes(TOKEN_BYTES).toString("base64url");
        await writeFileAtomic(path, `${token}\n`);
      }
      const digest = digestOf(token);
      this.#byDigest.set(digest.toString("hex"), { node, digest });
      this.#digestByNode.set(node, digest.toString("hex"));
    } catch (error) {
      this.#failed(path, error);
    }
  }

  #forget(node: string): void {
    this.#byDigest.delete(this.#digestByNode.get(node) ?? "");
    this.#digestByNode.delete(node);
  }

  #failed(path: string, error: unknown): void {
    this.#mirrored = undefined;
    this.#options.count?.("store-failed");
    this.#options.log.error({ path, error: describeError(error) }, "Cannot keep a join token, its node cannot join");
  }
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** Undefined when there is none, or what is there (cut off, edited) is not a token of ours. */
async function readToken(path: string): Promise<string | undefined> {
  try {
    const token = (await readFile(path, "utf8")).trim();
    return TOKEN.test(token) ? token : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
