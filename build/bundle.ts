/**
 * Bundles the processes that ship, one file a thread, and what is run once instead of an agent:
 *
 *   DIRECTORY/agent/main.cjs  worker-main.cjs  request-main.cjs  once-main.cjs
 *   DIRECTORY/controller/main.cjs  kubeconfig-credentials.cjs
 *
 * An agent out of its bundle needs 50 MB less than out of its sources: no type stripping, only the parts of libraries
 * that are used. CommonJS, because importing one of Node's own modules as an ES module touches all it exports, and that
 * of node:http loads another 5 MB that nobody uses.
 *
 * An entry point that another one loads by `import()` stays a file of its own, too: inside that one its text alone would take
 * memory, used or not.
 *
 * `koffi` loads a binary that lies beside it and stays outside: DIRECTORY, or one above it, needs a node_modules with it.
 */
import path from "node:path";
import { build, type Plugin } from "esbuild";

const ROOT = path.resolve(import.meta.dirname, "..");

/** Entry points of one process come to lie beside each other, where agent/thread-entry.ts looks for them. */
const PROCESSES: Readonly<Record<string, readonly string[]>> = {
  agent: ["agent/main.ts", "agent/worker/worker-main.ts", "agent/identity/request-main.ts", "agent/once-main.ts"],
  // With a kubeconfig comes most of the official client: 2.8 MB of text, 16 MB in memory before it is ever used.
  controller: ["controller/main.ts", "kubernetes/kubeconfig-credentials.ts"],
};

/** So that a stack trace still tells a place by line and column, and a person can look at it. */
const LINE_CHARACTERS = 120;

/** Takes a few tenths of a second. Rejects with esbuild's error, which names file and line. */
export async function bundle(directory: string): Promise<void> {
  await Promise.all(
    Object.entries(PROCESSES).map(([name, entries]) => bundleProcess(path.join(directory, name), entries)),
  );
}

/** The threads of one process beside each other in `directory`; `entries` from the project's root. */
export async function bundleProcess(directory: string, entries: readonly string[]): Promise<void> {
  await build({
    entryPoints: entries.map((entry) => ({ in: path.join(ROOT, entry), out: path.parse(entry).name })),
    absWorkingDir: ROOT,
    bundle: true,
    outdir: directory,
    outExtension: { ".js": ".cjs" },
    platform: "node",
    format: "cjs",
    target: "node26",
    external: ["koffi"],
    // A thread holds the text of its bundle for as long as it lives: no comments, no indents. One character beyond Latin-1
    // makes V8 hold two bytes for each; esbuild escapes those of code, and the licences, with names, go to a file beside it.
    minifyWhitespace: true,
    lineLimit: LINE_CHARACTERS,
    legalComments: "external",
    plugins: [loadedApart(entries)],
    banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
    define: { "import.meta.url": "__moduleUrl" },
    logLevel: "silent",
  });
}

/** `import("./name.ts")` of an entry point becomes that of the file it is bundled into. */
function loadedApart(entries: readonly string[]): Plugin {
  const paths = new Set(entries.map((entry) => path.join(ROOT, entry)));
  return {
    name: "loaded-apart",
    setup(hooks) {
      hooks.onResolve({ filter: /^\..*\.ts$/ }, ({ path: specifier, kind, resolveDir }) => {
        if (kind !== "dynamic-import" || !paths.has(path.join(resolveDir, specifier))) return undefined;
        return { path: `./${path.parse(specifier).name}.cjs`, external: true };
      });
    },
  };
}
