import test from "ava";
import type { KernelState } from "../../../../agent/netfilter/kernel-state.ts";
import { KernelWatch, type WatchEvent } from "../../../../agent/netfilter/kernel-watch.ts";
import { FULL_CHECK_PERIOD_MS } from "../../../../agent/netfilter/limits.ts";
import { SocketError } from "../../../../agent/sockets/libc.ts";
import { CollectingLog } from "../../../support/collecting-log.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const SET = { name: "hawser-local4", type: "hash:ip", family: 4, meaning: "", entries: new Set(["10.0.0.1"]) } as const;

class WatchWorld {
  readonly clock = new FakeClock();
  readonly log = new CollectingLog();
  readonly events: WatchEvent[] = [];
  /** What the kernel shows; an error: it refuses. */
  kernel: KernelState | Error = { tables: "7", sets: new Map([[SET.name, 1]]), routing: "rules" };
  readonly watch = new KernelWatch({
    read: () => {
      if (this.kernel instanceof Error) throw this.kernel;
      return this.kernel;
    },
    clock: this.clock,
    log: this.log,
    count: (event) => this.events.push(event),
  });

  look(): KernelState | undefined {
    return this.watch.look("nft", [4, 6]);
  }

  isUnchanged(): boolean {
    return this.watch.isUnchanged(this.look(), [SET]);
  }

  change(change: Partial<KernelState>): void {
    this.kernel = { ...(this.kernel as KernelState), ...change };
  }
}

test("nothing is taken for unchanged before it was compared", (t) => {
  const world = new WatchWorld();
  t.false(world.isUnchanged());
  world.watch.compared(world.look(), true);
  t.true(world.isUnchanged());
  world.watch.compared(world.look(), false);
  t.false(world.isUnchanged(), "found damaged");
  world.watch.compared(world.look(), true);
  world.watch.forget();
  t.false(world.isUnchanged(), "forgotten");
});

test("a change of tables, routing or a set is seen", (t) => {
  const changes: readonly Partial<KernelState>[] = [
    { tables: "8" },
    { routing: "" },
    { sets: new Map() },
    { sets: new Map([[SET.name, 2]]) },
  ];
  for (const change of changes) {
    const world = new WatchWorld();
    world.watch.compared(world.look(), true);
    world.change(change);
    t.false(world.isUnchanged(), JSON.stringify(change));
  }
});

test("what changes during the comparison is seen by the next look", (t) => {
  const world = new WatchWorld();
  const before = world.look();
  world.change({ tables: "8" });
  world.watch.compared(before, true);
  t.false(world.isUnchanged());
});

test("after a while everything is compared again", (t) => {
  const world = new WatchWorld();
  world.watch.compared(world.look(), true);
  world.clock.advance(FULL_CHECK_PERIOD_MS - 1);
  t.true(world.isUnchanged());
  world.clock.advance(1);
  t.false(world.isUnchanged());
});

test("a kernel that does not tell means full checks, one warning, and a count of each time", (t) => {
  const world = new WatchWorld();
  world.kernel = new SocketError("list ipsets", 1);
  for (let check = 0; check < 3; check += 1) {
    const state = world.look();
    t.is(state, undefined);
    t.false(world.watch.isUnchanged(state, [SET]));
    world.watch.compared(state, true);
  }
  t.deepEqual(world.log.events, ["netfilter-watch-failed"]);
  t.regex(world.log.text, /^warn .*Cannot list ipsets: EPERM/);
  t.is(world.events.filter((event) => event === "watch-failed").length, 3);
  t.is(world.events.filter((event) => event === "full-check").length, 3);
  t.false(world.events.includes("quick-check"));
});

test("a mistake of ours is not taken for a kernel that does not tell", (t) => {
  const world = new WatchWorld();
  world.kernel = new TypeError("undefined is not a function");
  t.throws(() => world.look(), { instanceOf: TypeError });
});
