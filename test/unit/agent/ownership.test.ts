import { rm } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Ownership } from "../../../agent/ownership.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

test("the agent that claims last owns the rules, and the one before it may have them back", async (t) => {
  const { agent } = await node(t);
  const [first, second] = [agent(1), agent(2)];
  t.is(await first.owner(), "nobody");
  await first.claim();
  t.false(first.hasPredecessor);
  await second.claim();
  t.deepEqual([await first.owner(), await second.owner()], ["other", "mine"]);
  t.true(second.hasPredecessor);

  await second.release();
  t.deepEqual([await first.owner(), await second.owner()], ["mine", "nobody"]);
  await first.renew();
  t.deepEqual([await first.owner(), await second.owner()], ["mine", "other"]);
});

test("a claim ends with its process", async (t) => {
  const { agent, alive } = await node(t);
  const [first, second] = [agent(1), agent(2)];
  await first.claim();
  await second.claim();
  alive.delete(2);
  t.is(await first.owner(), "mine");
  t.is(await agent(3).owner(), "nobody");
  alive.delete(1);
  t.false(second.hasPredecessor);
});

test("who has released or was followed does not claim again by renewing", async (t) => {
  const { agent, directory } = await node(t);
  const [first, second] = [agent(1), agent(2)];
  await first.claim();
  await second.claim();
  await first.renew();
  t.is(await second.owner(), "mine");
  await second.release();
  await second.renew();
  t.is(await second.owner(), "nobody");
  await first.renew();
  await rm(join(directory, "owner.json"));
  await first.renew();
  t.is(await second.owner(), "other");
});

/** A node whose agents have the number of their port as their name. */
async function node(t: ExecutionContext) {
  const directory = await temporaryDirectory(t);
  const alive = new Set<number>([1, 2, 3]);
  const agent = (port: number): Ownership =>
    new Ownership({ stateDir: directory, instance: `agent-${port}`, port, isPortHeld: (held) => alive.has(held) });
  return { directory, alive, agent };
}
