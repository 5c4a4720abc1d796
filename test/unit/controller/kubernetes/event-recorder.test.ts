import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import type { ExecutionContext } from "ava";
import { EventRecorder, type ObjectEvent } from "../../../../controller/kubernetes/event-recorder.ts";
import { limits, timers } from "../../../../controller/kubernetes/limits.ts";
import { KubeError } from "../../../../kubernetes/kube-client.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { RecordingLog } from "../../../support/recording-log.ts";

type Body = Record<string, unknown> & { metadata: { name: string; namespace: string } };

class RecorderWorld {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly written = new Map<string, Record<string, unknown>>();
  readonly calls: string[] = [];
  readonly limitHits: string[] = [];
  isLeader = true;
  failWith: KubeError | undefined;
  readonly recorder: EventRecorder;

  constructor(t: ExecutionContext) {
    this.recorder = new EventRecorder({
      client: {
        create: <T>(path: string, body: object) => {
          const { metadata } = body as Body;
          this.#call(`create ${path}`);
          if (this.written.has(metadata.name)) return Promise.reject(new KubeError("there", 409, "AlreadyExists"));
          this.written.set(metadata.name, body as Body);
          return Promise.resolve({} as T);
        },
        patch: <T>(path: string, _type: string, body: object) => {
          const name = path.split("/").at(-1) ?? "";
          this.#call(`patch ${path}`);
          const before = this.written.get(name);
          if (before === undefined) return Promise.reject(new KubeError("not there", 404, "NotFound"));
          this.written.set(name, { ...before, ...body });
          return Promise.resolve({} as T);
        },
      },
      isLeader: () => this.isLeader,
      limitHit: (limit) => this.limitHits.push(limit),
      clock: this.clock,
      log: this.log,
    });
    this.recorder.start();
    t.teardown(() => this.recorder.close());
  }

  #call(what: string): void {
    this.calls.push(what);
    if (this.failWith !== undefined) throw this.failWith;
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let i = 0; i < 5; i++) await turn();
  }

  get events(): Record<string, unknown>[] {
    return [...this.written.values()];
  }
}

function refused(name: string, message = "mesh.yaml:1:1: wrong"): ObjectEvent {
  const about = { apiVersion: "v1", kind: "ConfigMap", name, namespace: "hawser-system", uid: "u" };
  return { about, type: "Warning", reason: "DocumentsRefused", message };
}

test("an event names its object, and is counted when it is told again", async (t) => {
  const world = new RecorderWorld(t);
  world.recorder.record(refused("hawser"));
  await world.pass(1_000);
  world.recorder.record(refused("hawser", "mesh.yaml:2:2: wrong, too"));
  await world.pass(1_000);
  t.is(world.events.length, 1);
  t.like(world.events[0], {
    involvedObject: { apiVersion: "v1", kind: "ConfigMap", name: "hawser", namespace: "hawser-system", uid: "u" },
    type: "Warning",
    reason: "DocumentsRefused",
    message: "mesh.yaml:2:2: wrong, too",
    count: 2,
    firstTimestamp: "2026-01-01T00:00:00Z",
    lastTimestamp: "2026-01-01T00:00:01Z",
  });
  t.deepEqual(
    world.calls.map((call) => call.split(" ")[0]),
    ["create", "patch"],
  );
});

test("an event that an earlier process wrote is counted on, one that has expired is written anew", async (t) => {
  const first = new RecorderWorld(t);
  first.recorder.record(refused("hawser"));
  await first.pass(500);
  const second = new RecorderWorld(t);
  for (const [name, body] of first.written) second.written.set(name, body);
  second.recorder.record(refused("hawser"));
  await second.pass(500);
  t.like(second.events[0], { count: 2 });
  second.written.clear();
  second.recorder.record(refused("hawser"));
  await second.pass(500);
  t.like(second.events[0], { count: 1 });
});

test("who does not lead keeps events for a while, in case it will", async (t) => {
  const world = new RecorderWorld(t);
  world.isLeader = false;
  world.recorder.record(refused("hawser"));
  await world.pass(5_000);
  t.deepEqual(world.calls, []);
  world.isLeader = true;
  await world.pass(500);
  t.is(world.events.length, 1);
  world.isLeader = false;
  world.recorder.record(refused("other"));
  await world.pass(timers.eventAgeMs + 1_000);
  world.isLeader = true;
  await world.pass(1_000);
  t.is(world.events.length, 1);
});

test("a flood is written slowly, the newest word for each object, and what does not fit is counted", async (t) => {
  const world = new RecorderWorld(t);
  const many = limits.waitingEvents + 5;
  for (let n = 0; n < many; n++) world.recorder.record(refused(`object-${n}`));
  world.recorder.record(refused("object-0", "newer"));
  t.is(world.limitHits.length, 5);
  await world.pass(500);
  t.is(world.events.length, limits.eventBurst);
  t.is(world.events[0]?.["message"], "newer");
  await world.pass(2_000);
  t.true(world.events.length <= limits.eventBurst + 3);
});

test("an event that may not be written is told once, and stops nobody", async (t) => {
  const world = new RecorderWorld(t);
  world.failWith = new KubeError("forbidden", 403, "Forbidden");
  world.recorder.record(refused("a"));
  world.recorder.record(refused("b"));
  await world.pass(1_000);
  t.is(world.log.lines.length, 1);
  world.failWith = undefined;
  world.recorder.record(refused("c"));
  await world.pass(1_000);
  t.is(world.events.length, 1);
});

test("a long message is cut, an object without a namespace has its events in default", async (t) => {
  const world = new RecorderWorld(t);
  const about = { apiVersion: "v1", kind: "Node", name: "n".repeat(253) };
  world.recorder.record({ about, type: "Warning", reason: "AnnotationIgnored", message: "x".repeat(5_000) });
  await world.pass(500);
  const [event] = world.events as [Body & { message: string }];
  t.is(event.message.length, limits.eventMessageCharacters);
  t.is(event.metadata.namespace, "default");
  t.true(event.metadata.name.length <= 253);
});
