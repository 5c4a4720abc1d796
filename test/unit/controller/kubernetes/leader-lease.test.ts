import test, { type ExecutionContext } from "ava";
import { LeaderLease } from "../../../../controller/kubernetes/leader-lease.ts";
import { timers } from "../../../../controller/limits.ts";
import { KubeError } from "../../../../kubernetes/kube-client.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { MemoryKube } from "../../../support/memory-kube.ts";
import { RecordingLog } from "../../../support/recording-log.ts";

const PATH = "/apis/coordination.k8s.io/v1/namespaces/hawser-system/leases/hawser-controller";

class Replica {
  readonly log = new RecordingLog();
  readonly changes: boolean[] = [];
  readonly lease: LeaderLease;
  /** Its own: replicas do not share one. */
  readonly clock: FakeClock;
  tries = 0;

  constructor(t: ExecutionContext, client: MemoryKube, identity: string, wallClockMs = Date.UTC(2026, 0, 1)) {
    this.clock = new FakeClock(wallClockMs);
    const onChange = (isLeader: boolean): void => void this.changes.push(isLeader);
    const { clock, log } = this;
    this.lease = new LeaderLease({
      client: {
        get: <T>(path: string) => {
          this.tries += 1;
          return client.get<T>(path);
        },
        create: (path, body) => client.create(path, body),
        replace: (path, body) => client.replace(path, body),
      },
      namespace: "hawser-system",
      identity,
      onChange,
      clock,
      random: () => 0,
      log,
    });
    t.teardown(() => this.lease.close());
  }

  async start(): Promise<this> {
    this.lease.start();
    await settled();
    return this;
  }

  /** Moves its time in steps of its tries. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.advance(500);
      await settled();
    }
  }
}

/** What was asked of the API server in memory has been answered. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function spec(client: MemoryKube): Record<string, unknown> {
  return (client.objects.get(PATH) as unknown as { spec: Record<string, unknown> }).spec;
}

test("one of two replicas that start together is the leader, and stays it", async (t) => {
  const client = new MemoryKube();
  const [a, b] = [new Replica(t, client, "a"), new Replica(t, client, "b")];
  await Promise.all([a.start(), b.start()]);
  t.is(Number(a.lease.isLeader) + Number(b.lease.isLeader), 1);
  const [leader, follower] = a.lease.isLeader ? [a, b] : [b, a];
  for (let second = 0; second < 60; second++) await Promise.all([a.pass(1_000), b.pass(1_000)]);
  t.true(leader.lease.isLeader);
  t.deepEqual(leader.changes, [true]);
  t.deepEqual(follower.changes, []);
  t.like(spec(client), { holderIdentity: leader === a ? "a" : "b", leaseDurationSeconds: 15, leaseTransitions: 0 });
});

test("an orderly stop lets go, and the next look of the other takes over", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client, "a").start();
  const b = await new Replica(t, client, "b").start();
  t.true(a.lease.isLeader);
  await a.lease.close();
  t.false(a.lease.isLeader);
  t.is(spec(client)["holderIdentity"], "");
  await b.pass(timers.leaseRetryMs);
  t.true(b.lease.isLeader);
  t.is(spec(client)["leaseTransitions"], 1);
});

test("a leader that vanished is replaced after the Lease's duration, by the other's own clock", async (t) => {
  const client = new MemoryKube();
  // A day ahead and a day behind: nobody's times count but one's own.
  const dead = await new Replica(t, client, "dead", Date.UTC(2026, 0, 2)).start();
  const b = await new Replica(t, client, "b", Date.UTC(2025, 11, 31)).start();
  t.true(dead.lease.isLeader);
  await b.pass(timers.leaseMs - 1_000);
  t.false(b.lease.isLeader);
  await b.pass(timers.leaseRetryMs + 1_000);
  t.true(b.lease.isLeader);
});

test("a leader whose process was suspended knows at once that it may be none any more", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client, "a").start();
  const { promise, resolve } = Promise.withResolvers<void>();
  client.intercept = () => promise;
  a.clock.advance(timers.leaseRenewMs);
  t.false(a.lease.isLeader);
  t.deepEqual(a.changes, [true, false]);
  resolve();
});

test("a request that hangs does not keep the next one from being made", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client, "a").start();
  const { promise, resolve } = Promise.withResolvers<void>();
  client.intercept = () => promise;
  await a.pass(timers.leaseRetryMs);
  client.intercept = () => undefined;
  await a.pass(timers.leaseRenewMs + timers.leaseRetryMs);
  t.true(a.lease.isLeader);
  t.deepEqual(a.changes, [true, false, true]);
  resolve();
});

test("a leader without an API server is none after the renew deadline, and again when it is back", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client, "a").start();
  client.intercept = () => Promise.reject(new KubeError("away", 0, "Unreachable"));
  await a.pass(timers.leaseRenewMs - 1_000);
  t.true(a.lease.isLeader);
  await a.pass(1_500);
  t.false(a.lease.isLeader);
  t.is(a.log.text.match(/Cannot acquire or renew/g)?.length, 1);
  client.intercept = () => undefined;
  await a.pass(timers.leaseRetryMs * 2);
  t.true(a.lease.isLeader);
});

test("a leader whose Lease another one took follows", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client, "a").start();
  client.put(PATH, {
    metadata: { name: "hawser-controller" },
    spec: { holderIdentity: "b", leaseDurationSeconds: 15 },
  });
  await a.pass(timers.leaseRetryMs);
  t.false(a.lease.isLeader);
  t.is(a.lease.holder, "b");
  await a.lease.close();
  t.is(spec(client)["holderIdentity"], "b", "what is another's is not released");
});

test("a stop does not wait for an API server that does not answer", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client, "a").start();
  client.intercept = () => new Promise(() => {});
  a.clock.advance(timers.leaseRetryMs);
  const closing = a.lease.close();
  a.clock.advance(timers.leaseReleaseMs);
  await settled();
  a.clock.advance(timers.leaseReleaseMs);
  await t.notThrowsAsync(closing);
});

test("leadership is found again after a Lease that somebody deleted", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client, "a").start();
  await client.delete(PATH);
  await a.pass(timers.leaseRetryMs);
  t.true(a.lease.isLeader);
  await eventually("it is there", () => client.objects.has(PATH));
});
