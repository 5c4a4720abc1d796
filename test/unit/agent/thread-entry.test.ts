import test from "ava";
import { threadEntry } from "../../../agent/thread-entry.ts";

test("out of the sources a thread's program is the TypeScript file beside its starter", (t) => {
  t.is(
    threadEntry("./worker-main.ts", "file:///h/agent/worker/worker-pool.ts").href,
    "file:///h/agent/worker/worker-main.ts",
  );
});

test("out of a bundle it is the bundle beside that of the main thread", (t) => {
  t.is(threadEntry("./worker-main.ts", "file:///h/dist/agent/main.cjs").href, "file:///h/dist/agent/worker-main.cjs");
});
