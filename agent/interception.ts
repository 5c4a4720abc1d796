/**
 * Keeps the kernel's rules in step with the table, as long as this agent owns them.
 *
 *   start --> (rules of another agent in force? wait until this one can serve) --> claim --> apply, repair
 *                                                                                  ^   another agent claims
 *                                                     that one died, or gave back  |      v
 *                                                                                  +-- superseded: hands off
 *
 * Applies one state at a time; while one is being applied only the newest of those that follow is kept.
 */
import { setTimeout } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { spawnCommand } from "./programs/spawn-command.ts";
import type { TableState } from "../routing/table-state.ts";
import { type DesiredRules, desiredRules } from "./netfilter/desired-rules.ts";
import { InterceptChooser, type InterceptSetting } from "./netfilter/intercept-mode.ts";
import { readKernelState } from "./netfilter/kernel-state.ts";
import { KernelWatch, type WatchEvent } from "./netfilter/kernel-watch.ts";
import { CHECK_PERIOD_MS } from "./netfilter/limits.ts";
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
  /** It does not any more: this one serves again. */
  readonly onTakenBack: () => void;
  readonly count: (event: "apply-failed" | "superseded" | "taken-back" | "claim-failed" | WatchEvent) => void;
}

/** Given-back rules are taken within a check and a write of all rules; one that is itself about to stop takes none. */
const GIVE_BACK_MS = 2 * CHECK_PERIOD_MS;
const GIVE_BACK_STEP_MS = 50;

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
  #leaving = false;

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

  /**
   * This agent is about to stop and takes no rules over any more. True: another agent of this node owns them, if need be the
   * one that they were taken from, which an upgrade that is taken back leaves to serve.
   */
  async leave(): Promise<boolean> {
    this.#leaving = true;
    if (await this.#isSuperseded()) return true;
    const { ownership, log } = this.#options;
    if (this.#state !== "owner" || !ownership.hasPredecessor) return false;
    log.info({ event: "giving-back" }, "The agent before this one is still there, it gets the rules back");
    await ownership.release();
    for (let waitedMs = 0; waitedMs < GIVE_BACK_MS; waitedMs += GIVE_BACK_STEP_MS) {
      if (await this.#isSuperseded()) return true;
      // Not the clock's timer: that one would not keep the process alive.
      await setTimeout(GIVE_BACK_STEP_MS);
    }
    return false;
  }

  /** Hands off; with `remove` and still the owner, everything this agent made in the kernel goes. */
  async stop(options: { readonly remove: boolean }): Promise<void> {
    const superseded = await this.#isSuperseded();
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
    // Otherwise a change of the table would turn the rules back to this agent.
    else if (await this.#isSuperseded()) return;
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
    // Whatever is remembered of the kernel, another agent may have written since.
    this.#netfilter.forget();
    await ownership.claim().catch((error: unknown) => {
      count("claim-failed");
      log.error(
        { event: "claim-failed", error: describeError(error) },
        "Cannot write owner.json, check the state disk",
      );
    });
  }

  /** Whether another agent of this node owns the rules: looks. */
  async #isSuperseded(): Promise<boolean> {
    if (this.#state === "superseded") return true;
    if ((await this.#options.ownership.owner()) !== "other") return false;
    if (this.#state === "owner") {
      const { log, count, onSuperseded } = this.#options;
      this.#state = "superseded";
      count("superseded");
      log.info({ event: "superseded" }, "Another agent of this node has taken the rules over");
      onSuperseded();
    }
    return true;
  }

  /** An upgrade was taken back, or the new agent died before this one was told to go. */
  async #takeBack(): Promise<void> {
    const { ownership, log, count, onTakenBack } = this.#options;
    if (this.#leaving || (await ownership.owner()) === "other") return;
    this.#state = "new";
    this.#problem = "being taken back";
    count("taken-back");
    log.warn({ event: "rules-taken-back" }, "The agent that had taken the rules over is gone, taking them back");
    onTakenBack();
    await this.#apply();
  }

  /** Called every few seconds: notices a successor, or that it is gone, and repairs what others damaged. True when it had to repair. */
  async #check(): Promise<boolean> {
    const view = this.#view;
    const wanted = this.#wanted;
    if (view === undefined || wanted === undefined) return false;
    if (this.#state === "superseded") await this.#takeBack();
    if (this.#state !== "owner" || (await this.#isSuperseded())) return false;
    const { ownership, log, onRepair } = this.#options;
    // Said when it was claimed: a disk that is full stays so for a while.
    await ownership.renew().catch(() => {});
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
