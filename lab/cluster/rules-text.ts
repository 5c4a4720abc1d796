/**
 * What the agent made in a node's kernel, for a person to read: its iptables rules, each under the comment it carries,
 * its ipsets, its policy routes.
 */
import type { NetfilterBackend } from "../lab-status.ts";
import type { Sandbox } from "./sandbox.ts";

const OURS = /hawser/i;

export async function rulesText(node: Sandbox, backend: NetfilterBackend): Promise<string> {
  const take = async (...argv: readonly string[]): Promise<string> => (await node.tryRun(argv)).stdout;
  const [ipv4, ipv6, sets, rule4, rule6] = await Promise.all([
    take(`iptables-${backend}-save`),
    take(`ip6tables-${backend}-save`),
    take("ipset", "save"),
    take("ip", "-4", "rule"),
    take("ip", "-6", "rule"),
  ]);
  const tables = policyTables(`${rule4}\n${rule6}`);
  const routes = await Promise.all(
    tables.flatMap((table) => ["-4", "-6"].map((family) => take("ip", family, "route", "show", "table", table))),
  );
  return [
    section(`iptables (${backend})`, ourRules(ipv4)),
    section(`ip6tables (${backend})`, ourRules(ipv6)),
    section("ipset", ourSets(sets)),
    section("ip rule", [rule4, rule6].map(ourPolicy).join("\n").trim()),
    section(`ip route (table ${tables.join(", ") || "none"})`, routes.join("").trim()),
  ].join("\n\n");
}

function section(title: string, body: string): string {
  return `== ${title} ==\n${body === "" ? "(nothing)" : body}`;
}

/** Our chains and the jumps to them, table by table, the comment moved to a line of its own. */
function ourRules(save: string): string {
  const lines: string[] = [];
  for (const line of save.split("\n")) {
    if (line.startsWith("*")) lines.push(line);
    else if (line.startsWith("-A") && OURS.test(line)) lines.push(...commented(line));
  }
  return lines.filter((line, index) => !line.startsWith("*") || isRule(lines[index + 1])).join("\n");
}

function isRule(line: string | undefined): boolean {
  return line !== undefined && !line.startsWith("*");
}

function commented(rule: string): readonly string[] {
  const comment = /-m comment --comment (?:"((?:[^"\\]|\\.)*)"|(\S+)) /.exec(`${rule} `);
  if (comment === null) return [rule];
  const text = comment[1] ?? comment[2] ?? "";
  return [`# ${text}`, `${rule} `.replace(comment[0], "").trim()];
}

function ourSets(save: string): string {
  return save
    .split("\n")
    .filter((line) => OURS.test(line))
    .join("\n");
}

/** Rules that look at a mark are policy routing of the agent; a lab's node has no other. */
function ourPolicy(rules: string): string {
  return rules
    .split("\n")
    .filter((line) => line.includes("fwmark"))
    .join("\n");
}

function policyTables(rules: string): readonly string[] {
  const tables = [...rules.matchAll(/fwmark.* lookup (\S+)/g)].map((match) => match[1] ?? "");
  return [...new Set(tables)];
}
