/**
 * The certificate authority's files in the state directory.
 *
 *   ca.key               PKCS#8 PEM, 0600. Created once; or brought by the user together with ca.crt
 *   ca.crt               its certificate; for an intermediate, followed by the certificates up to its root
 *   ca-extra-roots.pem   optional: further roots to trust, for the time of a rotation
 *   ca-root.pem          written by us: all roots; what agents are given
 *
 * A crash between key and certificate is repaired at the next start: the certificate is made from the key. Changes are
 * taken while running; key and certificate are two files, so a pair that does not fit is given a moment to become one.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { writeFileAtomic } from "../core/write-file-atomic.ts";
import {
  AuthorityError,
  type AuthorityMaterial,
  newAuthorityCertificate,
  newAuthorityKey,
  readAuthority,
} from "./authority-material.ts";
import type { AuthorityStore } from "./authority-store.ts";
import { timers } from "./limits.ts";

export interface AuthorityFilesOptions {
  /** Must exist. */
  readonly directory: string;
  /** For the name of a new root. */
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Texts {
  readonly key: string | undefined;
  readonly certificate: string | undefined;
  readonly extraRoots: string;
}

export class AuthorityFiles implements AuthorityStore {
  readonly #options: AuthorityFilesOptions;
  #inForce = "";
  /** What was found unusable at the last look, if anything. */
  #unusable = "";
  #problem = "";
  #looking: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;

  constructor(options: AuthorityFilesOptions) {
    this.#options = options;
  }

  async open(onChange: (material: AuthorityMaterial) => void): Promise<AuthorityMaterial> {
    const texts = await this.#create(await this.#read());
    const material = await this.#assemble(texts);
    this.#inForce = fingerprint(texts);
    await this.#publishRoots(material.rootsPem);
    this.#timer = this.#options.clock.every(timers.authorityCheckMs, () => this.#look(onChange));
    return material;
  }

  get problem(): string {
    return this.#problem;
  }

  /** Resolves when the looks under way are over. */
  settled(): Promise<void> {
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#looking;
  }

  #look(onChange: (material: AuthorityMaterial) => void): void {
    this.#looking = this.#looking.then(() => this.#takeChange(onChange));
  }

  /** Never rejects. */
  async #takeChange(onChange: (material: AuthorityMaterial) => void): Promise<void> {
    let found = "";
    try {
      const texts = await this.#read();
      found = fingerprint(texts);
      if (found === this.#inForce) {
        this.#unusable = this.#problem = "";
        return;
      }
      const material = await this.#assemble(texts);
      this.#inForce = found;
      this.#unusable = this.#problem = "";
      await this.#publishRoots(material.rootsPem);
      onChange(material);
    } catch (error) {
      this.#refuse(found, describeError(error));
    }
  }

  /** Told when the same is still there at the second look. */
  #refuse(found: string, error: string): void {
    if (this.#unusable === found && this.#problem !== error) {
      this.#problem = error;
      const facts = { directory: this.#options.directory, error };
      this.#options.log.error(facts, "The certificate authority's files cannot be used, it stays as it was");
    }
    this.#unusable = found;
  }

  async #read(): Promise<Texts> {
    return {
      key: await readIfThere(this.#path("ca.key")),
      certificate: await readIfThere(this.#path("ca.crt")),
      extraRoots: (await readIfThere(this.#path("ca-extra-roots.pem"))) ?? "",
    };
  }

  /** Makes what is missing. */
  async #create({ key, certificate, extraRoots }: Texts): Promise<Texts> {
    const { clock, log, trustDomain } = this.#options;
    if (key === undefined && certificate !== undefined) throw this.#keyMissing();
    const text = key ?? newAuthorityKey();
    if (key === undefined) await writeFileAtomic(this.#path("ca.key"), text);
    if (certificate !== undefined) return { key: text, certificate, extraRoots };
    const made = await newAuthorityCertificate({ text, place: this.#path("ca.key") }, trustDomain, clock.nowMs());
    await writeFileAtomic(this.#path("ca.crt"), made, { mode: 0o644 });
    log.info({ path: this.#path("ca.crt") }, "Certificate authority created");
    return { key: text, certificate: made, extraRoots };
  }

  #assemble({ key, certificate, extraRoots }: Texts): Promise<AuthorityMaterial> {
    if (key === undefined) throw this.#keyMissing();
    const texts = {
      key: { text: key, place: this.#path("ca.key") },
      certificate: { text: certificate ?? "", place: this.#path("ca.crt") },
      further: [{ text: extraRoots, place: this.#path("ca-extra-roots.pem") }],
    };
    return readAuthority(texts, this.#options.clock.nowMs());
  }

  /** On a disk that has become read-only the controller still serves: what it needs is there. */
  async #publishRoots(rootsPem: string): Promise<void> {
    const path = this.#path("ca-root.pem");
    try {
      if ((await readIfThere(path)) !== rootsPem) await writeFileAtomic(path, rootsPem, { mode: 0o644 });
    } catch (error) {
      this.#options.log.error({ path, error: describeError(error) }, "Cannot write the roots for agents");
    }
  }

  #keyMissing(): AuthorityError {
    const message = `${this.#path("ca.crt")} is there but ca.key is not; add the key or move ca.crt away`;
    return new AuthorityError("ca-key-missing", message);
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }
}

function fingerprint({ key, certificate, extraRoots }: Texts): string {
  return createHash("sha256")
    .update(JSON.stringify([key, certificate, extraRoots]))
    .digest("hex");
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
