/** The control bench at a tiny size: that it measures at all, not how fast this machine is. */
import test from "ava";
import { runControlBench } from "../../../bench/control/run-control-bench.ts";
import { namespaceSupport } from "../../../lab/launcher/namespace-support.ts";

const TINY = { agents: 5, pods: 50, services: 5, seconds: 2, rate: 10, runtimeFlags: [] };

test("the control bench measures every phase, and tables agree at its end", async (t) => {
  const support = await namespaceSupport();
  if (!support.supported) {
    t.log(`SKIPPED: no namespaces here, ${support.reason}`);
    t.pass();
    return;
  }
  const { plane, agent } = await runControlBench(TINY);
  t.true(plane.tablesAgree);
  t.is(plane.agentRefusals, 0);
  t.is(plane.controller.refusals, 0);
  t.is(plane.sustained.changes, TINY.rate * TINY.seconds);
  t.is(plane.sustained.samples, plane.sustained.changes * TINY.agents);
  t.is(plane.single.samples, plane.single.changes * TINY.agents);
  t.true(plane.single.p50Ms > 0 && plane.single.p50Ms <= plane.single.p99Ms);
  t.true(plane.single.bytesPerChangePerAgent > 100);
  // Every agent knew the table: what it missed is one change.
  t.deepEqual([plane.reconnect.snapshots, plane.reconnect.deltas], [0, TINY.agents]);
  t.true(plane.restart.convergedMs > 0);
  t.is(agent.pods, TINY.pods);
  t.true(agent.setsMs > 0 && agent.viewMs > 0);
});

test("more pods than addresses are refused before anything starts", async (t) => {
  await t.throwsAsync(runControlBench({ ...TINY, agents: 1, pods: 1_000 }), { code: "too-many-pods" });
});
