/**
 * Replaces a file so that a reader, or the next boot after a power cut, sees the old content or the new one, never a
 * part: temporary file beside it, fsync, rename, fsync of the directory.
 *
 * The temporary name is this process's own, because two agents of one node share a state directory for a while. A process id is
 * not enough: in their containers both have the same.
 */
import { randomInt } from "node:crypto";
import { open, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

export interface WriteFileOptions {
  /** Permission bits of the new file. Default 0600: most of what is stored this way is secret. */
  readonly mode?: number;
}

const WRITER = `${process.pid}.${randomInt(2 ** 32)}`;
const TEMPORARY = /^\..+\.\d+\.tmp$/;

/** Rejects with the system's error (ENOSPC, EROFS, EACCES...); the old file is then untouched. */
export async function writeFileAtomic(path: string, data: string, options: WriteFileOptions = {}): Promise<void> {
  const temporary = temporaryPath(path);
  // `wx` below must not follow a link that someone put there.
  await unlinkIfThere(temporary);
  try {
    await writeAndSync(temporary, data, options.mode ?? 0o600);
    await rename(temporary, path);
  } catch (error) {
    await unlinkIfThere(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Where this process writes before it renames. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${WRITER}.tmp`);
}

/** Removes temporary files that processes killed between write and rename left in `directory`. */
export async function removeStaleTemporaries(directory: string, olderThanMs: number, nowMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!TEMPORARY.test(name)) continue;
    const path = join(directory, name);
    const facts = await stat(path).catch(() => undefined);
    if (facts === undefined || nowMs - facts.mtimeMs <= olderThanMs) continue;
    // Best effort: on a read-only disk what is there must still be readable.
    await unlinkIfThere(path).catch(() => {});
  }
}

/** Not `rm` with force: that looks twice, and removes a directory with all in it that appears in between. */
async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

async function writeAndSync(path: string, data: string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
