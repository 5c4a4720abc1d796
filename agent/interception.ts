/**
 * Keeps the kernel's rules in step with the table, as long as this agent owns them.
 *
 *   start --> (rules of another agent in force? wait until this one can serve) --> claim --> apply, repair
 *                                                     another agent claims -------> superseded: hands off
 *
 * Applies one state at a time; while one is being applied only the newest of those that follow is kept.
 */
import type { Clock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { spawnCommand } from "./programs/spawn-command.ts";
import type { TableState } from "../routing/table-state.ts";
import { type DesiredRules, desiredRules } from "./netfilter/desired-rules.ts";
import { InterceptChooser, type InterceptSetting } from "./netfilter/intercept-mode.ts";
import { readKernelState } from "./netfilter/kernel-state.ts";
import { KernelWatch, type WatchEvent } from "./netfilter/kernel-watch.ts";
import { Netfilter } from "./netfilter/netfilter.ts";
import { NodeNetworks } from "./netfilter/node-networks.ts";
import { type GuardOptions, guardView, type NodeView, nodeView } from "./netfilter/node-view.ts";
import { Reconciler } from "./netfilter/reconciler.ts";
import type { Ownership } from "./ownership.ts";

export interface InterceptionOptions {
  readonly node: string;
  /** Ports of this agent's listeners, see ReservedPorts. */
  readonly ports: { readonly outbound: number; readonly inbound: number };
  readonly backend: "auto" | "nft" | "legacy";
  readonly intercept: InterceptSetting;
  readonly guard: GuardOptions;
  readonly ownership: Ownership;
  readonly clock: Clock;
  readonly log: Log;
  readonly onRepair: () => void;
  /** Another agent of this node serves from now on. */
  readonly onSuperseded: () => void;
  readonly count: (event: "apply-failed" | "superseded" | "claim-failed" | WatchEvent) => void;
}

export class Interception {
  readonly #options: InterceptionOptions;
  readonly #netfilter: Netfilter;
  readonly #reconciler: Reconciler;
  readonly #networks = new NodeNetworks();
  readonly #chooser: InterceptChooser;
  /** What the rules should be for. */
  #view: NodeView | undefined;
  /** What was applied last. */
  #wanted: DesiredRules | undefined;
  #applying: Promise<void> = Promise.resolve();
  #applyScheduled: Promise<void> | undefined;
  #problem: string | undefined = "not applied yet";
  #state: "new" | "owner" | "superseded" | "stopped" = "new";

  constructor(options: InterceptionOptions) {
    const { backend, clock, log, count } = options;
    this.#options = options;
    this.#chooser = new InterceptChooser({ setting: options.intercept, run: spawnCommand, clock });
    const watch = new KernelWatch({ read: readKernelState, clock, log, count });
    this.#netfilter = new Netfilter({ run: spawnCommand, log, backend, watch });
    this.#reconciler = new Reconciler({ check: () => this.#check(), clock });
  }

  /** Finds out which iptables this host uses. Throws HawserError when it has none. */
  async start(): Promise<void> {
    await this.#netfilter.detectBackend();
    this.#reconciler.start();
  }

  /** What is wrong with the rules, or undefined when they are in force. */
  get pending(): string | undefined {
    return this.#state === "superseded" ? "another agent of this node has taken over" : this.#problem;
  }

  describe(): Readonly<Record<string, unknown>> {
    const { ports } = this.#options;
    const facts = { state: this.#state, problem: this.#problem, ports, intercept: this.#chooser.choice };
    return { ...facts, ...this.#netfilter.describe() };
  }

  /** Resolves when this table, or a newer one, is in force. Undefined: guard the node until there is one. */
  update(table: TableState | undefined): Promise<void> {
    const { node, guard } = this.#options;
    this.#view = table === undefined ? guardView(guard) : nodeView(table, node, this.#networks);
    return this.#apply();
  }

  /** Whether another agent of this node owns the rules. */
  async superseded(): Promise<boolean> {
    return this.#state === "superseded" || (await this.#options.ownership.owner()) === "other";
  }

  /** Hands off; with `remove` and still the owner, everything this agent made in the kernel goes. */
  async stop(options: { readonly remove: boolean }): Promise<void> {
    const superseded = await this.superseded();
    this.#state = "stopped";
    this.#reconciler.stop();
    await this.#applying.catch(() => {});
    if (superseded) return;
    if (options.remove) await this.#netfilter.remove();
    await this.#options.ownership.release();
  }

  /** Every caller waits for an application that began after its call; callers in between share one. */
  #apply(): Promise<void> {
    this.#applyScheduled ??= this.#applying
      .catch(() => {})
      .then(() => {
        this.#applyScheduled = undefined;
        this.#applying = this.#applyNow();
        return this.#applying;
      });
    return this.#applyScheduled;
  }

  async #applyNow(): Promise<void> {
    const view = this.#view;
    if (view === undefined || this.#state === "stopped" || this.#state === "superseded") return;
    if (this.#state === "new") await this.#claim();
    try {
      await this.#chooseMode(view);
      this.#wanted = this.#rulesFor(view);
      await this.#netfilter.apply(this.#wanted);
      this.#problem = undefined;
    } catch (error) {
      this.#problem = describeError(error);
      this.#options.count("apply-failed");
      this.#options.log.error({ event: "rules-failed", error: this.#problem }, "Cannot apply the rules, trying again");
      throw error;
    }
  }

  #rulesFor(view: NodeView): DesiredRules {
    const { outbound, inbound } = this.#options.ports;
    const { mode } = this.#chooser.choice;
    return desiredRules(view, { outboundPort: outbound, inboundPort: inbound, intercept: mode });
  }

  /** True when it is another one than before. */
  async #chooseMode(view: NodeView): Promise<boolean> {
    const before = this.#chooser.choice;
    const after = await this.#chooser.choose([...view.families[4].local, ...view.families[6].local]);
    if (after === before) return false;
    this.#options.log.info({ event: "intercept-mode", ...after }, "Connections are redirected from now on");
    return true;
  }

  async #claim(): Promise<void> {
    const { ownership, log, count } = this.#options;
    if ((await ownership.owner()) === "other")
      log.info({ event: "takeover" }, "Taking the rules over from another agent");
    this.#state = "owner";
    await ownership.claim().catch((error: unknown) => {
      count("claim-failed");
      log.error(
        { event: "claim-failed", error: describeError(error) },
        "Cannot write owner.json, check the state disk",
      );
    });
  }

  /** Called every few seconds: notices a successor, and repairs what others damaged. True when it had to repair. */
  async #check(): Promise<boolean> {
    const view = this.#view;
    const wanted = this.#wanted;
    if (view === undefined || wanted === undefined || this.#state !== "owner") return false;
    const { ownership, log, count, onRepair, onSuperseded } = this.#options;
    if ((await ownership.owner()) === "other") {
      this.#state = "superseded";
      count("superseded");
      log.info({ event: "superseded" }, "Another agent of this node has taken the rules over");
      onSuperseded();
      return false;
    }
    if (await this.#chooseMode(view)) {
      await this.#apply();
      return false;
    }
    const damage = this.#problem ?? (await this.#netfilter.findDamage(wanted));
    // A newer table was applied meanwhile: what was compared is not what is wanted any more.
    if (damage === undefined || this.#wanted !== wanted) return false;
    onRepair();
    log.warn({ event: "rules-repaired", damage }, "Rules were changed by somebody else, repairing them");
    await this.#apply();
    return true;
  }
}
