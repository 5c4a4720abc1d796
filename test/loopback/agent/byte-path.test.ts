/**
 * Whatever way bytes take through two agents, each connection gets its own, in order, and an end only where there was one.
 * Everything is drawn from a seed, which a failure tells.
 *
 *   BYTE_PATH_SEED    the seed of a failure: once more
 *   BYTE_PATH_ROUNDS  with so many seeds, one after the other
 */
import test, { type ExecutionContext } from "ava";
import { loadEngine } from "../../../agent/tunnel/engines.ts";
import type { EngineName } from "../../../agent/tunnel/engine-name.ts";
import { converse, drawConversation } from "../../support/byte-path/conversations.ts";
import { Moods } from "../../support/byte-path/moods.ts";
import { PlacedWorld } from "../../support/byte-path/placed-world.ts";
import { useSmallBounds } from "../../support/byte-path/small-bounds.ts";
import { smallBuffers } from "../../support/byte-path/small-buffers.ts";
import { TwoAgents } from "../../support/byte-path/two-agents.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const ROUNDS = Number(process.env["BYTE_PATH_ROUNDS"] ?? 1);

test.serial("bytes and requests, with the bounds as they are", async (t) => {
  await repeat(t, { engine: "framing", conversations: 60, clients: 20 });
});

test.serial("bytes, with bounds so small that everything waits", async (t) => {
  t.teardown(useSmallBounds());
  await repeat(t, { engine: "framing", conversations: 60, clients: 0 });
});

test.serial("bytes that end in order, over node:http2's tunnels", async (t) => {
  await repeat(t, { engine: "node-http2", conversations: 20, clients: 0 });
});

interface Amount {
  readonly engine: EngineName;
  readonly conversations: number;
  /** Of HTTP, to servers of either version. */
  readonly clients: number;
}

async function repeat(t: ExecutionContext, amount: Amount): Promise<void> {
  t.timeout(600_000);
  for (let round = 0; round < ROUNDS; round += 1) {
    const seed = Number(process.env["BYTE_PATH_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    const startedMs = performance.now();
    const problems = await run(t, amount, seed);
    if (!t.deepEqual(problems, [], `BYTE_PATH_SEED=${seed}`)) return;
    t.log(`seed ${seed}: ${Math.round(performance.now() - startedMs)} ms`);
  }
}

async function run(t: ExecutionContext, amount: Amount, seed: number): Promise<readonly string[]> {
  const moods = new Moods(seededRandom(seed));
  const agents = await TwoAgents.create(t, {
    engine: await loadEngine(amount.engine),
    onSocket: (socket) => {
      if (moods.chance(0.3)) smallBuffers(socket);
    },
  });
  const [h1, h2] = [await PlacedWorld.create(t, agents, moods, 1), await PlacedWorld.create(t, agents, moods, 2)];
  const talks = Array.from({ length: amount.conversations }, (_, number): Task => {
    const conversation = drawConversation(moods, number, amount.engine === "framing");
    const isUpgrade = number % 5 === 0;
    const talk = async (): Promise<string[]> => {
      await moods.pause(100);
      return isUpgrade ? await h1.upgrade(conversation) : await converse(agents, moods, conversation);
    };
    return { what: `${isUpgrade ? "upgraded " : ""}${JSON.stringify(conversation)}`, problems: talk() };
  });
  const asked = Array.from({ length: amount.clients }, (_, number): Task[] => [
    { what: `client ${number} of HTTP/1.1 servers`, problems: h1.ask(number) },
    { what: `client ${number} of HTTP/2 servers`, problems: h2.ask(number) },
  ]);
  const problems = await withDeadline([...talks, ...asked.flat()]);
  problems.push(...(await settle([h1, h2], agents)));
  agents.close();
  return problems;
}

async function settle(worlds: readonly PlacedWorld[], agents: TwoAgents): Promise<string[]> {
  try {
    const problems = await Promise.all(worlds.map((world) => world.settle()));
    await agents.settle();
    return problems.flat();
  } catch (error) {
    return [String(error)];
  }
}

interface Task {
  readonly what: string;
  readonly problems: Promise<readonly string[]>;
}

/** What hangs is a problem as well. */
async function withDeadline(tasks: readonly Task[]): Promise<string[]> {
  const left = new Set(tasks);
  const late = new Promise<string[]>((resolve) => {
    setTimeout(() => resolve([...left].map(({ what }) => `${what} hangs`)), HANGS_MS).unref();
  });
  const done = tasks.map(async (task) => {
    const problems = await task.problems;
    left.delete(task);
    return problems;
  });
  return await Promise.race([Promise.all(done).then((all) => all.flat()), late]);
}

/** Far longer than any of them takes. */
const HANGS_MS = 15_000;
