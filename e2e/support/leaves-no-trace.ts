/** The stories of an agent that comes to a node and goes again, told for both back ends of iptables. */
import type { ExecutionContext } from "ava";
import type { Lab } from "../../lab/lab-client.ts";
import type { LabHostState } from "../../lab/lab-status.ts";
import { hostStateChanges } from "./host-state-changes.ts";
import { endAgent, startReadyAgent } from "./mesh-processes.ts";

/** `intercepting`: the part of the state where its rules must show meanwhile. */
export async function leavesNoTrace(
  t: ExecutionContext,
  lab: Lab,
  node: string,
  intercepting: keyof LabHostState,
): Promise<void> {
  const before = await lab.call("hostState", { node });
  await startReadyAgent(lab, { node });
  const during = await lab.call("hostState", { node });
  t.true(during[intercepting].includes("HAWSER"));
  const ended = await endAgent(lab, { node }, "SIGTERM");
  t.is(ended.exit?.code, 0);
  t.deepEqual(hostStateChanges(before, await lab.call("hostState", { node })), {});
}

/** A crash leaves the rules in force: the next agent, however it got there, must take them away when it goes. */
export async function leavesNoTraceAfterCrash(
  t: ExecutionContext,
  lab: Lab,
  node: string,
  intercepting: keyof LabHostState,
): Promise<void> {
  const before = await lab.call("hostState", { node });
  await startReadyAgent(lab, { node });
  await endAgent(lab, { node }, "SIGKILL");
  t.true((await lab.call("hostState", { node }))[intercepting].includes("HAWSER"), "rules survive a crash");
  await startReadyAgent(lab, { node });
  await endAgent(lab, { node }, "SIGTERM");
  t.deepEqual(hostStateChanges(before, await lab.call("hostState", { node })), {});
}
