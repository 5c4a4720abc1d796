/**
 * Keys and certificates on disk, one file per identity (directory 0700, files 0600), so that a restarted agent serves
 * before it has reached a controller. A file that cannot be read or does not hold together is removed and asked for anew;
 * a disk that cannot be written is logged and counted by the caller, never fatal.
 */
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { describeError, HawserError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { removeStaleTemporaries, writeFileAtomic } from "../../core/write-file-atomic.ts";
import { assembleBundle, type BundleParts, type CertificateBundle } from "./certificate-bundle.ts";
import { identityLimits } from "./limits.ts";

export interface CertificateStoreOptions {
  /** Created when missing. */
  readonly directory: string;
  readonly log: Log;
}

const STALE_TEMPORARY_MS = 60_000;

export class CertificateStore {
  readonly #options: CertificateStoreOptions;

  constructor(options: CertificateStoreOptions) {
    this.#options = options;
  }

  /** Everything on disk that holds together, expired or not. Rejects only when the directory cannot be used at all. */
  async load(): Promise<CertificateBundle[]> {
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    await removeStaleTemporaries(directory, STALE_TEMPORARY_MS, Date.now());
    const names = (await readdir(directory)).filter((name) => name.endsWith(".json") && !name.startsWith("."));
    const bundles: CertificateBundle[] = [];
    for (const name of names.slice(0, identityLimits.identities)) {
      const bundle = await this.#loadOne(join(directory, name));
      if (bundle !== undefined) bundles.push(bundle);
    }
    return bundles;
  }

  /** Rejects with the system's error. */
  async save(bundle: CertificateBundle): Promise<void> {
    const { identity, keyPem, chainPem, rootsPem } = bundle;
    await writeFileAtomic(this.#pathOf(identity), JSON.stringify({ identity, keyPem, chainPem, rootsPem }));
  }

  async remove(identity: string): Promise<void> {
    await rm(this.#pathOf(identity), { force: true });
  }

  /** A digest, because an identity holds slashes and may be longer than a file name. */
  #pathOf(identity: string): string {
    return join(this.#options.directory, `${createHash("sha256").update(identity).digest("hex").slice(0, 40)}.json`);
  }

  async #loadOne(path: string): Promise<CertificateBundle | undefined> {
    try {
      const { size } = await stat(path);
      if (size > identityLimits.storedBundleBytes) throw new HawserError("too-large", `File has ${size} bytes`);
      return assembleBundle(readParts(await readFile(path, "utf8")));
    } catch (error) {
      this.#options.log.warn(
        { path, error: describeError(error) },
        "Stored certificate is unusable, asking for another",
      );
      await rm(path, { force: true }).catch(() => {});
      return undefined;
    }
  }
}

function readParts(text: string): BundleParts {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new HawserError("not-a-bundle", "File holds no object");
  const fields = value as Record<string, unknown>;
  const field = (name: keyof BundleParts): string => {
    const found = fields[name];
    if (typeof found !== "string") throw new HawserError("not-a-bundle", `Field ${name} is missing`);
    return found;
  };
  return {
    identity: field("identity"),
    keyPem: field("keyPem"),
    chainPem: field("chainPem"),
    rootsPem: field("rootsPem"),
  };
}
