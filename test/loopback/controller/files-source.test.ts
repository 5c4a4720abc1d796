import { appendFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { FilesSource } from "../../../controller/files-source.ts";
import { timers } from "../../../controller/limits.ts";
import type { SourceState } from "../../../controller/source.ts";
import { systemClock, type Clock } from "../../../core/clock.ts";
import { ClusterDocuments, nodeText, podText } from "../../support/cluster-documents.ts";
import { eventually } from "../../support/eventually.ts";
import { RecordingLog } from "../../support/recording-log.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

interface Bench {
  readonly documents: ClusterDocuments;
  readonly states: SourceState[];
  /** Waits for a state with exactly these documents. */
  readonly has: (...names: string[]) => Promise<void>;
}

/** Never rescans: what is noticed under this clock, inotify told. */
const clockWithoutRescan: Clock = {
  ...systemClock,
  after: (delayMs, callback) =>
    delayMs >= timers.rescanMs ? { cancel: () => {} } : systemClock.after(delayMs, callback),
};

async function start(t: ExecutionContext, clock: Clock = systemClock): Promise<Bench> {
  const documents = new ClusterDocuments(join(await temporaryDirectory(t), "documents"));
  await documents.writeCluster();
  const states: SourceState[] = [];
  const source = new FilesSource({ directory: documents.directory, clock, log: new RecordingLog() });
  t.teardown(() => source.close());
  await source.start((state) => states.push(state));
  const namesOf = (state: SourceState | undefined): string =>
    (state?.documents ?? [])
      .map((document) => document.metadata.name)
      .sort()
      .join();
  const has = async (...names: string[]): Promise<void> => {
    await eventually(`documents ${names.join()}`, () => namesOf(states.at(-1)) === names.sort().join());
  };
  return { documents, states, has };
}

test("the first state is there when start is done, and changes follow without a rescan", async (t) => {
  const { documents, states, has } = await start(t, clockWithoutRescan);
  t.is(states.length, 1);
  await documents.writePod("catalog-2", "node-1", "10.244.1.3");
  await has("catalog-1", "catalog-2", "node-1", "node-2", "reviews-1");
  await documents.remove("pod-catalog-2.yaml");
  await has("catalog-1", "node-1", "node-2", "reviews-1");
});

test("a file that grows in steps is judged when it is whole", async (t) => {
  const { documents, states, has } = await start(t);
  const path = join(documents.directory, "more.yaml");
  await writeFile(path, "");
  for (const number of [3, 4, 5, 6]) {
    await appendFile(path, nodeText(`node-${number}`, number));
    await appendFile(path, "---\n");
    await sleep(10);
  }
  await has("catalog-1", "node-1", "node-2", "node-3", "node-4", "node-5", "node-6", "reviews-1");
  t.true(states.every((state) => state.problems.length === 0));
});

test("a directory that vanishes is a problem, one that comes back is watched again", async (t) => {
  const { documents, states, has } = await start(t);
  await rename(documents.directory, `${documents.directory}.away`);
  await eventually("the problem", () => /Cannot read the documents/.test(states.at(-1)?.problems[0] ?? ""));
  t.is(states.length, 2);
  await mkdir(documents.directory);
  await documents.write("nodes.yaml", nodeText("node-9", 9));
  await has("node-9");
  await documents.write("pod.yaml", podText("late-1", "node-9", "10.244.9.2"));
  await has("late-1", "node-9");
  await rm(`${documents.directory}.away`, { recursive: true });
});
