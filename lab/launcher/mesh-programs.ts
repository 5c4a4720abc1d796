/**
 * The programs of the mesh as they ship: bundled anew for every lab, into its own directory, so that a lab runs what is
 * in the sources when it starts, whatever happens to them meanwhile.
 */
import { mkdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { bundle } from "../../build/bundle.ts";

export function meshProgram(stateDir: string, name: "agent" | "controller"): string {
  return path.join(stateDir, "programs", name, "main.cjs");
}

export async function bundleMeshPrograms(stateDir: string, projectRoot: string): Promise<void> {
  const directory = path.join(stateDir, "programs");
  mkdirSync(directory);
  symlinkSync(path.join(projectRoot, "node_modules"), path.join(directory, "node_modules"));
  await bundle(directory);
}
