/** A soak for a person at a terminal (pure). */
import { textTable } from "../../lab/view/text-table.ts";
import { type CountName, MEMORY, type SoakResult, type SoakVerdict } from "./soak-result.ts";

const KIB_PER_MB = 1_024;

export function formatSoak({ loadSeconds, traffic, agents, verdicts }: SoakResult): string {
  const sent = Object.entries(traffic).map(([kind, count]) => `${count.toLocaleString("en")} ${kind}`);
  const memory = agents.map(({ node, before, during, after }) => {
    const peak = Math.max(...during.map((sample) => sample.memory.residentKib));
    const [first, most, last] = [before.memory.residentKib, peak, after.memory.residentKib].map(megabytes);
    return `${node} resident ${first} MB before, ${most} at most, ${last} after`;
  });
  const failed = verdicts.filter(({ ok }) => !ok);
  const summary =
    failed.length === 0
      ? "everything is back, and memory is flat"
      : `${failed.length} of ${verdicts.length} are not well`;
  return [`hawser soak   ${loadSeconds} s of load`, sent.join(", "), ...memory, "", table(verdicts), summary, ""].join(
    "\n",
  );
}

function table(verdicts: readonly SoakVerdict[]): string {
  const columns = [
    { title: "node", align: "left" },
    { title: "what", align: "left" },
    { title: "wanted", align: "right" },
    { title: "found", align: "right" },
    { title: "", align: "left" },
  ] as const;
  const rows = verdicts.map(({ node, what, wanted, found, ok }) => [
    node,
    what,
    wanted,
    isMemory(what) ? `${(found * 100).toFixed(1)} %` : `${found}`,
    ok ? "ok" : "NOT OK",
  ]);
  return textTable(columns, rows).join("\n");
}

function isMemory(what: SoakVerdict["what"]): what is Exclude<SoakVerdict["what"], CountName> {
  return (MEMORY as readonly string[]).includes(what);
}

function megabytes(kib: number): string {
  return (kib / KIB_PER_MB).toFixed(0);
}
