import test from "ava";
import { Turns } from "../../../core/turns.ts";

/** A task that ends when the test says so. */
function task() {
  let end = (_value: string): void => {};
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  let isRunning = false;
  return {
    end,
    run: async () => {
      isRunning = true;
      return await ended;
    },
    get isRunning() {
      return isRunning;
    },
  };
}

const never = new AbortController().signal;

test("so many tasks run at once, the others in their order, and one too many is turned away", async (t) => {
  const turns = new Turns({ atOnce: 1, waiting: 2 });
  const [first, second, third] = [task(), task(), task()];
  const results = [first, second, third].map(async (each) => await turns.take(each.run, never));
  t.is(turns.take(task().run, never), undefined);
  t.deepEqual([first.isRunning, second.isRunning, third.isRunning], [true, false, false]);
  first.end("a");
  t.is(await results[0], "a");
  t.deepEqual([second.isRunning, third.isRunning], [true, false]);
  second.end("b");
  third.end("c");
  t.deepEqual(await Promise.all(results), ["a", "b", "c"]);
});

test("a task that fails gives its turn to the next", async (t) => {
  const turns = new Turns({ atOnce: 1, waiting: 1 });
  const failing = turns.take(async () => await Promise.reject(new Error("broken")), never);
  const next = turns.take(async () => "next", never);
  await t.throwsAsync(async () => await failing, { message: "broken" });
  t.is(await next, "next");
});

test("whoever stops waiting never runs, and makes room", async (t) => {
  const turns = new Turns({ atOnce: 1, waiting: 1 });
  const first = task();
  const running = turns.take(first.run, never);
  const impatient = new AbortController();
  const second = task();
  const waiting = turns.take(second.run, impatient.signal);
  impatient.abort();
  t.is(await waiting, undefined);
  const third = turns.take(async () => "third", never);
  first.end("first");
  t.is(await running, "first");
  t.is(await third, "third");
  t.false(second.isRunning);
});
