import test from "ava";
import { parseSave } from "../../../../agent/netfilter/parse-save.ts";
import {
  renderRule,
  renderTable,
  renderTableChange,
  renderTableRemoval,
} from "../../../../agent/netfilter/render-iptables.ts";
import { rule, type TableRules } from "../../../../agent/netfilter/rule.ts";

const WANTED: TableRules = {
  table: "mangle",
  jumps: [{ from: "PREROUTING", rule: rule("-p tcp", "HAWSER-PREROUTING", "a jump") }],
  chains: [{ name: "HAWSER-PREROUTING", rules: [rule("", "RETURN", "a rule")] }],
};
const JUMP = '-p tcp -m comment --comment "a jump" -j HAWSER-PREROUTING';

function dumpOf(...lines: readonly string[]) {
  return parseSave(["*mangle", ":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ...lines, "COMMIT"].join("\n")).get(
    "mangle",
  );
}

test("a table that does not exist gets our chains and jumps, and remembers that it is ours", (t) => {
  const text = renderTableChange(WANTED, undefined, true);
  t.deepEqual(text.trim().split("\n"), [
    "*mangle",
    ":HAWSER-PREROUTING - [0:0]",
    ":HAWSER-CREATED - [0:0]",
    `-I PREROUTING 1 ${JUMP}`,
    '-A HAWSER-PREROUTING -m comment --comment "a rule" -j RETURN',
    "COMMIT",
  ]);
});

test("a jump that is in place is left alone", (t) => {
  const current = dumpOf(":HAWSER-PREROUTING - [0:0]", `-A PREROUTING ${JUMP}`, "-A PREROUTING -j FOREIGN");
  const text = renderTableChange(WANTED, current, true);
  t.notRegex(text, /^-[ID]/m);
  t.notRegex(text, /HAWSER-CREATED/);
});

test("a jump that is misplaced, doubled or different is replaced", (t) => {
  for (const rules of [["-j FOREIGN", JUMP], [JUMP, JUMP], ["-p udp -j HAWSER-PREROUTING"]]) {
    const current = dumpOf(":HAWSER-PREROUTING - [0:0]", ...rules.map((one) => `-A PREROUTING ${one}`));
    const text = renderTableChange(WANTED, current, false);
    const ours = rules.filter((one) => one.includes("HAWSER"));
    t.deepEqual(
      [...text.matchAll(/^-D PREROUTING (.*)$/gm)].map((match) => match[1]),
      ours,
    );
    t.regex(text, /^-I PREROUTING 1 /m);
  }
});

test("chains and jumps of another version go in the same transaction", (t) => {
  const current = dumpOf(":HAWSER-OLD - [0:0]", "-A OUTPUT -j HAWSER-OLD", "-A HAWSER-OLD -j ACCEPT");
  const lines = renderTableChange(WANTED, current, false).split("\n");
  t.true(lines.indexOf(":HAWSER-OLD - [0:0]") < lines.indexOf("-D OUTPUT -j HAWSER-OLD"));
  t.true(lines.indexOf("-D OUTPUT -j HAWSER-OLD") < lines.indexOf("-X HAWSER-OLD"));
});

test("removal names what is ours and nothing else", (t) => {
  const foreign = '-A PREROUTING -m comment --comment "before -j HAWSER-PREROUTING" -j FOREIGN';
  const current = dumpOf(":HAWSER-PREROUTING - [0:0]", foreign, `-A PREROUTING ${JUMP}`);
  t.deepEqual(current === undefined ? undefined : renderTableRemoval("mangle", current)?.trim().split("\n"), [
    "*mangle",
    `-D PREROUTING ${JUMP}`,
    "-F HAWSER-PREROUTING",
    "-X HAWSER-PREROUTING",
    "COMMIT",
  ]);
  const others = dumpOf(foreign);
  t.is(others === undefined ? "no dump" : renderTableRemoval("mangle", others), undefined);
});

test("nothing in a name ends the comment or the line", (t) => {
  const text = renderRule(rule("", "RETURN", 'shop/x" -j ACCEPT\n-F INPUT\\'));
  t.is(text, '-m comment --comment "shop/x? -j ACCEPT?-F INPUT?" -j RETURN');
  t.true(renderRule(rule("", "RETURN", "x".repeat(999))).length < 310);
});

test("built-in chains and policies are never declared", (t) => {
  t.deepEqual(renderTable(WANTED).match(/^:.*$/gm), [":HAWSER-PREROUTING - [0:0]"]);
});
