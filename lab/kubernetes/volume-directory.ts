/**
 * A volume of files that are replaced together, as the kubelet's AtomicWriter does it:
 *
 *   token -> ..data/token      ..data -> ..7      ..7/token        the next version is made aside, then ..data is moved
 */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

export class VolumeDirectory {
  readonly path: string;
  #version = 0;
  #contents = "";
  readonly #links = new Set<string>();

  constructor(directory: string) {
    this.path = directory;
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  }

  /** Relative path -> contents. Nothing happens when they are the same as before. */
  write(files: ReadonlyMap<string, Buffer>): void {
    const contents = JSON.stringify([...files].map(([name, data]) => [name, data.toString("base64")]));
    if (contents === this.#contents) return;
    this.#contents = contents;
    const old = `..${this.#version}`;
    this.#version += 1;
    const next = `..${this.#version}`;
    for (const [name, data] of files) {
      const file = path.join(this.path, next, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, data);
    }
    mkdirSync(path.join(this.path, next), { recursive: true });
    symlinkSync(next, path.join(this.path, "..data.new"));
    renameSync(path.join(this.path, "..data.new"), path.join(this.path, "..data"));
    this.#linkNames(new Set([...files.keys()].map((name) => name.split("/")[0] ?? name)));
    rmSync(path.join(this.path, old), { recursive: true, force: true });
  }

  #linkNames(names: ReadonlySet<string>): void {
    for (const name of names) if (!this.#links.has(name)) symlinkSync(`..data/${name}`, path.join(this.path, name));
    for (const name of this.#links) if (!names.has(name)) rmSync(path.join(this.path, name), { force: true });
    this.#links.clear();
    for (const name of names) this.#links.add(name);
  }
}
