/**
 * The whole state that one node's kernel should have, from the node's view of the table (pure). `netfilter.ts` makes it
 * so, the renderers write it, `describe-rules.ts` explains it.
 *
 * The number of rules does not depend on the size of the cluster: pods and VIPs are members of sets. Only Services with a share
 * on this node have rules of their own.
 */
import type { AddressFamily } from "../../routing/address.ts";
import { filterRules } from "./filter-rules.ts";
import type { InterceptMode } from "./intercept-mode.ts";
import { mangleRules } from "./mangle-rules.ts";
import {
  BYPASS_PREFERENCE,
  DELIVER_PREFERENCE,
  DELIVER_TABLE,
  hex,
  LANDING_PREFERENCE,
  type MarkBits,
  Marks,
} from "./marks.ts";
import { SET_MEANINGS, SKIP_PORT_SET, setName, type SetRole } from "./names.ts";
import { natRules } from "./nat-rules.ts";
import type { DirectService, FamilyView, NodeView } from "./node-view.ts";
import type { TableRules } from "./rule.ts";

export type SetType = "hash:ip" | "hash:net" | "hash:ip,port" | "bitmap:port";

export interface SetDefinition {
  readonly name: string;
  readonly type: SetType;
  /** Undefined: ports have none. */
  readonly family: AddressFamily | undefined;
  readonly meaning: string;
  readonly entries: ReadonlySet<string>;
}

/** A policy rule, as the words after `ip rule add` and as `ip rule show` prints it. */
export interface PolicyRule {
  readonly preference: number;
  readonly selector: string;
  readonly action: string;
  readonly comment: string;
}

export interface FamilyRules {
  readonly tables: readonly TableRules[];
  /** Services with a share here: the nat rules follow them by one step, see netfilter.ts. */
  readonly direct: readonly DirectService[];
}

export interface DesiredRules {
  readonly options: RuleOptions;
  readonly families: Readonly<Record<AddressFamily, FamilyRules>>;
  readonly sets: readonly SetDefinition[];
  /** The same for both families. */
  readonly policy: readonly PolicyRule[];
  /** In routing table DELIVER_TABLE. */
  readonly route: string;
}

export interface RuleOptions {
  /** Where this agent listens at its address, both families; outbound: the first of OUTBOUND_PORTS. */
  readonly outboundPort: number;
  readonly inboundPort: number;
  readonly intercept: InterceptMode;
  readonly marks: MarkBits;
}

export function desiredRules(
  view: NodeView,
  options: Pick<RuleOptions, "outboundPort" | "inboundPort"> & Partial<RuleOptions>,
): DesiredRules {
  const complete: RuleOptions = { intercept: "tproxy", marks: Marks, ...options };
  return {
    options: complete,
    families: { 4: familyRules(view, 4, complete), 6: familyRules(view, 6, complete) },
    sets: [...familySets(view.families[4], 4), ...familySets(view.families[6], 6), skipPorts(view)],
    policy: policyRules(complete.marks),
    route: "local default dev lo",
  };
}

function familyRules(view: NodeView, family: AddressFamily, options: RuleOptions): FamilyRules {
  const { direct } = view.families[family];
  return {
    tables: [natRules(direct, family, options), filterRules(options), mangleRules(view, family, options)],
    direct,
  };
}

function familySets(view: FamilyView, family: AddressFamily): readonly SetDefinition[] {
  const set = (role: SetRole, type: SetType, entries: ReadonlySet<string>): SetDefinition => ({
    name: setName(role, family),
    type,
    family,
    meaning: SET_MEANINGS[role],
    entries,
  });
  return [
    set("local", "hash:ip", view.local),
    set("remote", "hash:ip", view.remote),
    set("vip", "hash:ip,port", view.vips),
    set("split", "hash:ip,port", new Set(view.direct.map(({ vip, port }) => `${vip},tcp:${port}`))),
    set("outside", "hash:ip", view.outside),
    set("localnet", "hash:net", view.localNets),
    set("remotenet", "hash:net", view.remoteNets),
    set("skipnet", "hash:net", view.skipNets),
    set("skipend", "hash:ip,port", view.skipEndpoints),
  ];
}

function skipPorts(view: NodeView): SetDefinition {
  const entries = new Set([...view.skipPorts].map(String));
  return { name: SKIP_PORT_SET, type: "bitmap:port", family: undefined, meaning: "excluded ports", entries };
}

/**
 * The first rule keeps the second from locally made packets and from the reverse-path check (both are looked up with
 * `iif lo`): with sysctl src_valid_mark, tcp_fwmark_accept or fwmark_reflect they carry the mark too, and would be
 * taken for martians or loop back. `goto` needs a rule to land on.
 */
function policyRules(marks: MarkBits): readonly PolicyRule[] {
  const marked = `fwmark ${hex(marks.deliver)}/${hex(marks.deliver)}`;
  return [
    {
      preference: BYPASS_PREFERENCE,
      selector: `${marked} iif lo`,
      action: `goto ${LANDING_PREFERENCE}`,
      comment: "packets made here, and reverse-path checks, are routed as ever",
    },
    {
      preference: DELIVER_PREFERENCE,
      selector: marked,
      action: `lookup ${DELIVER_TABLE}`,
      comment: "packets marked for the agent are delivered here whatever their address",
    },
    { preference: LANDING_PREFERENCE, selector: "", action: "nop", comment: "where the first one lands" },
  ];
}
