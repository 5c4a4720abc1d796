/**
 * The walls of the house: who may import whom. Reads the import statements of every TypeScript file; each wall has its
 * reason, which a failure prints.
 */
import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, normalize } from "node:path";
import test from "ava";
import type { ExecutionContext } from "ava";
import { findImports, withoutComments } from "./source-text.ts";

const ROOT = join(import.meta.dirname, "../..");
const SOURCE_AREAS = [
  "agent",
  "bench",
  "bpf-notes",
  "build",
  "cli",
  "controller",
  "core",
  "dashboard",
  "kubernetes",
  "lab",
  "protocol",
  "routing",
] as const;
const TEST_AREAS = ["e2e", "test"] as const;
type Area = (typeof SOURCE_AREAS)[number];

/** What an area may import besides its own files; `types`: by `import type` only. */
interface Permissions {
  readonly values: readonly string[];
  readonly types?: readonly string[];
  readonly reason: string;
}

const MAY_IMPORT: Readonly<Record<Area, Permissions>> = {
  core: { values: [], reason: "core is machinery that any daemon could use, it knows nothing of Hawser" },
  protocol: { values: ["core"], reason: "protocol is what two processes agree on, it must not depend on either" },
  routing: {
    values: [],
    types: ["protocol"],
    reason: "routing is pure, it runs in the agent, the CLI, CI and the browser alike",
  },
  agent: {
    values: ["core", "protocol", "routing"],
    reason: "the agent runs on every node, it must not contain what can sign certificates",
  },
  kubernetes: {
    values: ["core"],
    reason: "it speaks to an API server for whoever needs it, and knows nothing of what they make of it",
  },
  controller: {
    values: ["core", "kubernetes", "protocol", "routing"],
    reason: "the process that holds the CA key must not contain netfilter or byte forwarding",
  },
  cli: {
    values: ["core", "kubernetes", "protocol", "routing"],
    reason: "the CLI speaks to the other processes over their APIs",
  },
  dashboard: { values: ["routing"], types: ["protocol"], reason: "the dashboard is browser code" },
  build: { values: [], reason: "it reads the sources as files, what it bundles is not part of it" },
  lab: {
    values: ["build", "core", "kubernetes", "protocol"],
    reason: "the lab starts agent and controller as processes, exactly as a cluster would",
  },
  bench: {
    values: ["build", "core", "protocol", "lab"],
    reason: "measurements stand on the lab and see processes from outside",
  },
  "bpf-notes": {
    values: ["core", "protocol", "lab"],
    reason: "measurements stand on the lab and see processes from outside",
  },
};

/** Walls inside an area: no file under `from` imports one under `to`. */
const INNER_WALLS = [
  {
    from: "agent/inbound/",
    to: "agent/outbound/",
    reason: "the two directions share no state; what both need lives beside them (tunnel, relay, sockets)",
  },
  {
    from: "agent/outbound/",
    to: "agent/inbound/",
    reason: "the two directions share no state; what both need lives beside them (tunnel, relay, sockets)",
  },
  {
    from: "agent/relay/",
    to: "agent/identity/",
    reason: "what forwards bytes never holds keys",
  },
] as const;

/** What makes the control side of an agent, and the compiler of the controller's. */
const CONTROL_BENCH_PARTS = [
  "agent/control/channel-client.ts",
  "agent/control/decode-frame.ts",
  "agent/netfilter/commands.ts",
  "agent/netfilter/desired-rules.ts",
  "agent/netfilter/marks.ts",
  "agent/netfilter/node-networks.ts",
  "agent/netfilter/node-view.ts",
  "agent/netfilter/set-writer.ts",
  "agent/thread-entry.ts",
  "agent/worker/messages.ts",
  "agent/worker/resource-limits.ts",
  "routing/compile.ts",
  "routing/diff.ts",
  "routing/table-compiler.ts",
  "routing/table-state.ts",
] as const;

/** Single files that an area may import over its wall. */
const DOORS = [
  {
    from: "cli/",
    to: "lab/lab-client.ts",
    reason: "`hawser lab` speaks to a running lab over its control socket, and this file is that API's client",
  },
  {
    from: "cli/",
    to: "lab/lab-status.ts",
    reason: "the types of that API's answers",
  },
  {
    from: "core/version.ts",
    to: "package.json",
    reason: "the version that every process reports",
  },
  ...["decide-request.ts", "request-facts.ts", "route-index.ts"].map((file) => ({
    from: "bench/routes.ts",
    to: `routing/http/${file}`,
    reason: "what a decision costs is measured where nothing else is in the way",
  })),
  ...["agent/balance/balancers.ts", "agent/balance/pick-request.ts", "routing/decide-connection.ts"].map((to) => ({
    from: "bench/balance.ts",
    to,
    reason: "what a choice costs is measured where nothing else is in the way",
  })),
  ...CONTROL_BENCH_PARTS.map((to) => ({
    from: "bench/control/",
    to,
    reason: "a thousand agents do not fit on a machine: the bench takes the parts of the product that it measures",
  })),
] as const;

interface SourceFile {
  /** Relative to the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

interface Import {
  readonly file: string;
  readonly line: number;
  /** Path relative to the repository, or the name of a package as it was written. */
  readonly target: string;
  readonly isOurs: boolean;
  readonly typeOnly: boolean;
}

/** `process.env`, or `env` taken from the process module. */
const ENVIRONMENT = /\bprocess\s*\.\s*env\b|\benv\b[^;\n]*from "node:process"/;

const sources = SOURCE_AREAS.flatMap((area) => filesUnder(area));
const tests = TEST_AREAS.flatMap((area) => filesUnder(area));
const imports = sources.flatMap(importsOf);

test("the walls are tested on the whole house", (t) => {
  t.true(sources.length > 50, `only ${sources.length} files found`);
  t.true(imports.length > 200, `only ${imports.length} imports found`);
});

for (const area of SOURCE_AREAS) {
  const { values, types = [], reason } = MAY_IMPORT[area];
  test(`${area} imports ${[area, ...values, ...types.map((each) => `types of ${each}`)].join(", ")} only`, (t) => {
    const isForbidden = (each: Import): boolean => {
      const target = areaOf(each.target);
      return target !== area && !values.includes(target) && !(each.typeOnly && types.includes(target)) && !isDoor(each);
    };
    const ours = imports.filter((each) => areaOf(each.file) === area && each.isOurs);
    expectNone(t, ours.filter(isForbidden).map(describe), reason);
  });
}

test("routing uses no module of Node", (t) => {
  const found = imports.filter((each) => areaOf(each.file) === "routing" && each.target.startsWith("node:"));
  expectNone(t, found.map(describe), "it also runs in the browser");
});

for (const wall of INNER_WALLS) {
  test(`${wall.from} never imports ${wall.to}`, (t) => {
    const found = imports.filter((each) => each.file.startsWith(wall.from) && each.target.startsWith(wall.to));
    expectNone(t, found.map(describe), wall.reason);
  });
}

test("code that runs imports nothing from the tests", (t) => {
  const found = imports.filter((each) => each.isOurs && /^(test|e2e)\//.test(each.target));
  expectNone(t, found.map(describe), "tests are not shipped");
});

test("every import of our own names a file that exists, with its .ts ending", (t) => {
  const known = new Set([...sources, ...tests].map((file) => file.path).concat("package.json"));
  // The test of the import finder holds samples of imports in strings.
  const realTests = tests.filter((file) => file.path !== "test/architecture/source-text.test.ts");
  const all = [...imports, ...realTests.flatMap(importsOf)];
  const found = all.filter((each) => each.isOurs && !known.has(each.target));
  expectNone(t, found.map(describe), "sources run unbuilt, Node guesses no endings");
});

test("modules of Node are imported by their node: name", (t) => {
  const found = imports.filter((each) => isBuiltin(each.target) && !each.target.startsWith("node:"));
  expectNone(t, found.map(describe), "no package can then stand in for them");
});

test("only main.ts of a daemon reads process.env", (t) => {
  const found = daemonFiles().filter((file) => !file.path.endsWith("/main.ts") && ENVIRONMENT.test(codeOf(file)));
  expectNone(t, found.map(pathOf), "boot settings are read once, in one place");
});

test("nothing but cli, lab, bench and bpf-notes writes to the console", (t) => {
  const found = daemonFiles().filter((file) => /\bconsole\s*\.\s*\w+\s*\(/.test(codeOf(file)));
  expectNone(t, found.map(pathOf), "daemons log, one JSON line per event");
});

test("there are no default exports", (t) => {
  const found = [...sources, ...tests].filter((file) => /\bexport\s+default\b|\bas\s+default\b/.test(codeOf(file)));
  expectNone(t, found.map(pathOf), "a thing has one name everywhere");
});

test("there are no barrels", (t) => {
  const isBarrel = (file: SourceFile): boolean =>
    /(^|\/)index\.ts$/.test(file.path) || /^\s*export\s+(type\s+)?\*/m.test(codeOf(file));
  const found = [...sources, ...tests].filter(isBarrel);
  expectNone(t, found.map(pathOf), "an import names the file that does the work");
});

test("files are in kebab-case and named after something", (t) => {
  const isNothing = (path: string): boolean => /(^|[/-])(utils?|helpers?|common|misc)\.ts$/.test(path);
  const isKebab = (path: string): boolean => /^([a-z0-9-]+\/)*[a-z0-9-]+(\.d)?\.ts$/.test(path);
  const found = sources.map(pathOf).filter((path) => isNothing(path) || !isKebab(path));
  expectNone(t, found, "a file is named after the one thing it exports");
});

test("every source file starts with a comment", (t) => {
  const found = sources.filter((file) => !/^(#!.*\n)?\/\*\*/.test(file.text));
  expectNone(t, found.map(pathOf), "it says what the file is, for whom, and what always holds");
});

/** Fails with every offender, a line each, and the reason of the wall. */
function expectNone(t: ExecutionContext, offenders: readonly string[], reason: string): void {
  t.is(offenders.length, 0, `${reason}:\n${offenders.join("\n")}`);
}

function daemonFiles(): SourceFile[] {
  return sources.filter((file) => !["lab", "cli", "bench", "bpf-notes", "dashboard"].includes(areaOf(file.path)));
}

function codeOf(file: SourceFile): string {
  return withoutComments(file.text);
}

function pathOf(file: SourceFile): string {
  return file.path;
}

function filesUnder(area: string): SourceFile[] {
  return typeScriptPaths(area).map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

/** The dashboard and the benches come and go: an area that is not there has no files. */
function typeScriptPaths(directory: string): string[] {
  try {
    return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory()) return entry.name === "node_modules" ? [] : typeScriptPaths(path);
      return entry.name.endsWith(".ts") ? [path] : [];
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function importsOf(file: SourceFile): Import[] {
  return findImports(file.text).map(({ line, specifier, typeOnly }) => {
    const isOurs = specifier.startsWith(".");
    const target = isOurs ? normalize(join(dirname(file.path), specifier)) : specifier;
    return { file: file.path, line, target, isOurs, typeOnly };
  });
}

function isDoor(each: Import): boolean {
  return DOORS.some((door) => each.file.startsWith(door.from) && each.target === door.to);
}

function areaOf(path: string): string {
  return path.slice(0, path.indexOf("/"));
}

function describe(each: Import): string {
  return `${each.file}:${each.line} imports ${each.target}`;
}
