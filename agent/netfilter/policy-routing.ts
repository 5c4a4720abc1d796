/**
 * Policy rules and the one route that deliver marked packets to this host whatever their address (`ip rule`,
 * `ip route`). Idempotent; removal needs no memory.
 */
import type { AddressFamily } from "../../routing/address.ts";
import type { Commands } from "./commands.ts";
import type { DesiredRules, PolicyRule } from "./desired-rules.ts";
import { BYPASS_PREFERENCE, DELIVER_PREFERENCE, DELIVER_TABLE, LANDING_PREFERENCE } from "./marks.ts";

type Wanted = Pick<DesiredRules, "policy" | "route">;

interface Found {
  readonly preference: number;
  /** Everything after `from all`. */
  readonly words: string;
}

// Our preference together with our action: how a rule of ours is known, whatever marks its maker used.
const OWN_ACTIONS: ReadonlyMap<number, string> = new Map([
  [BYPASS_PREFERENCE, `goto ${LANDING_PREFERENCE}`],
  [DELIVER_PREFERENCE, `lookup ${DELIVER_TABLE}`],
  [LANDING_PREFERENCE, "nop"],
]);

export class PolicyRouting {
  readonly #commands: Commands;

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  /** Makes what is missing, the route before the rules that lead to it. */
  async write(family: AddressFamily, wanted: Wanted): Promise<void> {
    const rules = await this.#rules(family);
    if ((await this.#routes(family)) === "") await this.#route(family, wanted.route);
    for (const stale of rules.filter((rule) => isOwn(rule) && !wanted.policy.some((one) => isSame(one, rule)))) {
      await this.#delete(family, stale);
    }
    // The landing before the jump to it.
    for (const rule of [...wanted.policy].reverse()) {
      if (!rules.some((one) => isSame(rule, one))) await this.#ip(family, ["rule", "add", ...words(rule)]);
    }
  }

  async findDamage(family: AddressFamily, wanted: Wanted): Promise<string | undefined> {
    const rules = await this.#rules(family);
    const missing = wanted.policy.find((rule) => !rules.some((one) => isSame(rule, one)));
    if (missing !== undefined) return `ip -${family} rule ${missing.preference} is missing`;
    if ((await this.#routes(family)) === "") return `ip -${family} route of table ${DELIVER_TABLE} is missing`;
    return undefined;
  }

  async remove(family: AddressFamily): Promise<void> {
    // The rule that leads to the table goes before the route, the jump before its landing.
    const own = (await this.#rules(family)).filter(isOwn).sort((a, b) => a.preference - b.preference);
    for (const rule of own) await this.#delete(family, rule);
    if ((await this.#routes(family)) !== "") await this.#ip(family, ["route", "flush", "table", `${DELIVER_TABLE}`]);
  }

  /** Our rules and routes as `ip` prints them. */
  async describe(family: AddressFamily): Promise<{ readonly rules: readonly string[]; readonly routes: string }> {
    const own = (await this.#rules(family)).filter(isOwn);
    const rules = own.map(({ preference, words: text }) => `${preference}: from all ${text}`);
    return { rules, routes: await this.#routes(family) };
  }

  async #rules(family: AddressFamily): Promise<readonly Found[]> {
    const { exitCode, stdout } = await this.#commands.attempt(["ip", "-N", `-${family}`, "rule", "show"]);
    return exitCode === 0 ? parseRules(stdout) : [];
  }

  /** A table without routes does not exist: that is no error. */
  async #routes(family: AddressFamily): Promise<string> {
    const argv = ["ip", `-${family}`, "route", "show", "table", `${DELIVER_TABLE}`];
    const { exitCode, stdout } = await this.#commands.attempt(argv);
    return exitCode === 0 ? stdout.trim() : "";
  }

  async #route(family: AddressFamily, route: string): Promise<void> {
    await this.#ip(family, ["route", "replace", ...route.split(" "), "table", `${DELIVER_TABLE}`]);
  }

  async #delete(family: AddressFamily, { preference }: Found): Promise<void> {
    const action = OWN_ACTIONS.get(preference) ?? "";
    await this.#ip(family, ["rule", "del", "pref", `${preference}`, ...action.split(" ")]);
  }

  async #ip(family: AddressFamily, argv: readonly string[]): Promise<void> {
    await this.#commands.output(["ip", `-${family}`, ...argv]);
  }
}

function words({ preference, selector, action }: PolicyRule): readonly string[] {
  return `pref ${preference} ${selector} ${action}`.split(" ").filter((word) => word !== "");
}

function isSame(rule: PolicyRule, found: Found): boolean {
  return found.preference === rule.preference && found.words === `${rule.selector} ${rule.action}`.trim();
}

function isOwn({ preference, words: text }: Found): boolean {
  const action = OWN_ACTIONS.get(preference);
  return action !== undefined && (text === action || text.endsWith(` ${action}`));
}

/** `150:	from all fwmark 0x1000/0x1000 lookup 15008`; a jump whose landing is missing ends in `[unresolved]`. */
function parseRules(text: string): readonly Found[] {
  const found: Found[] = [];
  for (const line of text.split("\n")) {
    const match = /^(\d+):\s+from all\s+(.*?)(?: \[unresolved\])?\s*$/.exec(line);
    if (match !== null) found.push({ preference: Number(match[1]), words: match[2] ?? "" });
  }
  return found;
}
