/**
 * Documents that are wrong: one clear message each that says where, the last good table stays in force, traffic does not
 * notice; once repaired they take effect.
 */
import { renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ExecutionContext } from "ava";
import { stringify } from "yaml";
import type { Lab } from "../lab/lab-client.ts";
import { clientPod, mesh, pod, service, trafficPolicy } from "./support/cluster-documents.ts";
import { ConnectionLoad, failureCounts } from "./support/connection-load.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { converged, metricOf } from "./support/mesh-processes.ts";
import { logRecords } from "./support/process-log.ts";

const PORT = 7000;

const tell = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  pod({ name: "web", node: 2, command: ["node", "e2e/pods/name-server.ts", `${PORT}`], port: PORT }),
  service({ name: "web", number: 101, selector: { app: "web" }, ports: [PORT] }),
]);

const POLICY = stringify(trafficPolicy("web", { loadBalancer: { algorithm: "round-robin" } }));
const SERVICE = stringify(service({ name: "extra", number: 200, selector: { app: "web" }, ports: [PORT] }));

interface WrongDocument {
  readonly what: string;
  readonly text: string;
  /** One for every problem the controller must tell, in order; each begins with `wrong.yaml:<line>:<column>`. */
  readonly problems: readonly RegExp[];
}

const WRONG: readonly WrongDocument[] = [
  {
    what: "an unknown key",
    text: POLICY.replace("loadBalancer:", "loadBalancr:"),
    problems: [/^wrong\.yaml:10:3 spec\.loadBalancr: .*did you mean loadBalancer/],
  },
  {
    what: "a wrong type",
    text: SERVICE.replace("port: 7000", "port: eighty"),
    problems: [/^wrong\.yaml:14:13 spec\.ports\[0\]\.port: .*"eighty"/],
  },
  {
    what: "a key twice",
    text: POLICY.replace("  name: web\n", "  name: web\n  name: web\n"),
    problems: [/^wrong\.yaml:5:3 metadata\.name: .*(duplicate|twice|unique)/i],
  },
  {
    what: "a document twice",
    text: `${POLICY}---\n${POLICY}`,
    problems: [/^wrong\.yaml:13:1: duplicate document.*line 1/],
  },
  {
    what: "several mistakes at once",
    text: `${POLICY.replace("loadBalancer:", "loadBalancr:")}---\n${SERVICE.replace("port: 7000", "port: 70000")}`,
    problems: [/^wrong\.yaml:10:3 spec\.loadBalancr/, /^wrong\.yaml:\d+:13 spec\.ports\[0\]\.port: .*70000/],
  },
  {
    what: "a policy for a Service that is not there",
    text: POLICY.replaceAll("name: web", "name: wbe"),
    problems: [/^wrong\.yaml:\d+:\d+ spec\.targetRef.*wbe/],
  },
  { what: "an alias bomb", text: aliasBomb(), problems: [/^wrong\.yaml:\d+:\d+.*(alias|values|expand)/i] },
  { what: "no YAML at all", text: "\u0000\u0001 [[[ }}} : - ?\n", problems: [/^wrong\.yaml:1:\d+/] },
  { what: "50 MB", text: "# filler\n".repeat(5_600_000), problems: [/^wrong\.yaml:1:1: .*50\d{6} bytes/] },
];

for (const { what, text, problems } of WRONG) {
  story(`${what}: refused with its place, and in force once repaired`, async (t, lab) => {
    const { sequence, refusals } = await present(lab);
    const told = await problemsAfter(lab, () => write(lab, text));
    t.is(told.length, problems.length, told.join("\n"));
    for (const [index, problem] of problems.entries()) t.regex(told[index] ?? "", problem);
    t.is(await metricOf(lab, "controller", "hawser_controller_document_problems"), problems.length);
    t.true((await metricOf(lab, "controller", "hawser_controller_documents_refused_total")) > refusals);
    t.is((await present(lab)).sequence, sequence, "the last good table stays");
    t.log(told.map((line) => line.slice(0, 160)).join("\n"));

    write(lab, SERVICE);
    t.is(await converged(lab, sequence), sequence + 1);
    t.is(await metricOf(lab, "controller", "hawser_controller_document_problems"), 0);
    await cleanUp(lab);
  });
}

story("a write that was cut off is refused, the rest of it makes it good", async (t, lab) => {
  const { sequence } = await present(lab);
  const half = SERVICE.slice(0, SERVICE.indexOf("selector") + 4);
  const told = await problemsAfter(lab, () => writeFileSync(fileIn(lab), half));
  t.is(told.length, 1, told.join("\n"));
  t.regex(told[0] ?? "", /^wrong\.yaml:\d+:\d+/);
  t.is((await present(lab)).sequence, sequence);
  writeFileSync(fileIn(lab), SERVICE.slice(half.length), { flag: "a" });
  t.is(await converged(lab, sequence), sequence + 1);
  await cleanUp(lab);
});

story("a file that is emptied and written anew, piece by piece, is never judged in between", async (t, lab) => {
  write(lab, SERVICE);
  const sequence = await converged(lab, (await present(lab)).sequence);
  const { refusals } = await present(lab);
  const changed = SERVICE.replaceAll("port-7000", "main");
  truncateSync(fileIn(lab), 0);
  for (let written = 0; written < changed.length; written += 16) {
    writeFileSync(fileIn(lab), changed.slice(written, written + 16), { flag: "a" });
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  t.is(await converged(lab, sequence), sequence + 1);
  t.is((await present(lab)).refusals, refusals);
  await cleanUp(lab);
});

story("a document that moves to another file in two steps is refused only while it is in both", async (t, lab) => {
  write(lab, SERVICE);
  const sequence = await converged(lab, (await present(lab)).sequence);
  const other = path.join(lab.documentsDir, "wrong-too.yaml");
  const told = await problemsAfter(lab, () => writeFileSync(other, SERVICE));
  t.is(told.length, 1, told.join("\n"));
  t.regex(told[0] ?? "", /^wrong(-too)?\.yaml:1:1.*wrong(-too)?\.yaml/);
  rmSync(fileIn(lab));
  await eventually("the documents to be good again", { timeoutMs: 5_000 }, async () => {
    return (await metricOf(lab, "controller", "hawser_controller_document_problems")) === 0;
  });
  t.is((await present(lab)).sequence, sequence, "nothing has changed");
  rmSync(other);
  await converged(lab, sequence);
});

/** Every story is told under traffic, of which no connection may fail. */
function story(title: string, body: (t: ExecutionContext, lab: Lab) => Promise<void>): void {
  tell(title, async (t, lab) => {
    const load = await ConnectionLoad.start(lab, "client", {
      host: "web",
      port: PORT,
      loops: 1,
      seconds: 100,
      requestsPerConnection: 1,
      pauseMs: 10,
    });
    await body(t, lab);
    const records = await load.end();
    t.true(records.length > 0);
    t.deepEqual(failureCounts(records), {});
  });
}

async function present(lab: Lab): Promise<{ readonly sequence: number; readonly refusals: number }> {
  const { body } = await lab.call("controllerHttp", { path: "/status" });
  const { sequence } = JSON.parse(body) as { sequence: number };
  return { sequence, refusals: await metricOf(lab, "controller", "hawser_controller_documents_refused_total") };
}

/** The problems that the controller tells because of `change`: one line each, then one that ends them. */
async function problemsAfter(lab: Lab, change: () => void): Promise<readonly string[]> {
  const mark = logRecords(lab, "controller.log").length;
  change();
  const records = await eventually("the controller to refuse the documents", { timeoutMs: 10_000 }, () => {
    const after = logRecords(lab, "controller.log").slice(mark);
    return after.some(({ msg }) => /refused as a whole/.test(msg)) && after;
  });
  return records.filter(({ msg }) => msg === "Document refused").map((record) => String(record["problem"]));
}

function fileIn(lab: Lab): string {
  return path.join(lab.documentsDir, "wrong.yaml");
}

/** At once, as an editor does it. */
function write(lab: Lab, text: string): void {
  const staged = `${fileIn(lab)}.new`;
  writeFileSync(staged, text);
  renameSync(staged, fileIn(lab));
}

async function cleanUp(lab: Lab): Promise<void> {
  const { sequence } = await present(lab);
  rmSync(fileIn(lab));
  await converged(lab, sequence);
}

/** Nine levels of nine aliases: 387 million values in a few hundred bytes. */
function aliasBomb(): string {
  const levels = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (const name of "bcdefghi") {
    const below = String.fromCharCode(name.charCodeAt(0) - 1);
    levels.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${below}`).join(", ")}]`);
  }
  return `apiVersion: hawser.dev/v1\nkind: Mesh\nmetadata: { name: bomb }\nspec:\n${levels.map((line) => `  ${line}\n`).join("")}`;
}
