/**
 * `npm run build`: everything of ours that ships, into dist/, or the directory that is given.
 *
 *   bin/         hawser-agent  hawser-controller  hawser      programs, for PATH
 *   agent/  controller/  cli/                                 bundles
 *   daemonset/                                                manifests, for `hawser install`
 */
import { cp } from "node:fs/promises";
import path from "node:path";
import { bundle, bundleProcess } from "./bundle.ts";
import { writePrograms } from "./programs.ts";

const directory = path.resolve(process.argv[2] ?? "dist");
const root = path.resolve(import.meta.dirname, "..");

await bundle(directory);
await bundleProcess(path.join(directory, "cli"), ["cli/image-main.ts"]);
await cp(path.join(root, "daemonset"), path.join(directory, "daemonset"), { recursive: true });
await writePrograms(path.join(directory, "bin"));
