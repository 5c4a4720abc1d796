import test from "ava";
import { LeaderWatch } from "../../../../controller/kubernetes/leader-watch.ts";
import { timers } from "../../../../controller/limits.ts";
import type { QuotaLeader } from "../../../../controller/quota/quota-desk.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { RecordingLog } from "../../../support/recording-log.ts";

function setUp() {
  const clock = new FakeClock();
  const lease = { isLeader: false, holder: undefined as string | undefined };
  const asked: string[] = [];
  const pods = new Map<string, string>();
  const told: QuotaLeader[] = [];
  const client = {
    get: async <T>(path: string): Promise<T> => {
      asked.push(path);
      const podIP = pods.get(path.slice(path.lastIndexOf("/") + 1));
      if (podIP === undefined) throw new Error("no such pod");
      return { metadata: { name: "x" }, status: { podIP } } as T;
    },
  };
  const watch = new LeaderWatch({ client, namespace: "hawser-system", lease, clock, log: new RecordingLog() });
  watch.start((leader) => told.push(leader));
  const later = async (): Promise<void> => {
    clock.advance(timers.leaseRetryMs);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { lease, asked, pods, told, watch, later };
}

test("nobody, then another replica by its pod's address, then this one", async (t) => {
  const { lease, asked, pods, told, watch, later } = setUp();
  await later();
  t.deepEqual(told, []);
  pods.set("controller-abc", "10.244.1.7");
  lease.holder = "controller-abc_4f6f";
  await later();
  await later();
  t.deepEqual(told, [{ host: "10.244.1.7" }]);
  t.deepEqual(asked, ["/api/v1/namespaces/hawser-system/pods/controller-abc"], "once");
  lease.isLeader = true;
  watch.look();
  t.is(told.at(-1), "self");
  watch.close();
});

test("who does not lead any more stops at once, also when the next one is not found yet", async (t) => {
  const { lease, pods, told, watch, later } = setUp();
  lease.isLeader = true;
  watch.look();
  lease.isLeader = false;
  lease.holder = "other_1";
  watch.look();
  t.deepEqual(told, ["self", undefined]);
  await later();
  pods.set("other", "fd00::7");
  await later();
  t.deepEqual(told, ["self", undefined, { host: "fd00::7" }]);
  watch.close();
  lease.isLeader = true;
  watch.look();
  t.is(told.length, 3);
});
