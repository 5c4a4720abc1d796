/** What a soak reads of an agent, and when it says that something leaks. */
import test from "ava";
import { formatSoak } from "../../../bench/soak/format-soak.ts";
import { growth, judgeSoak } from "../../../bench/soak/judge-soak.ts";
import { readSample } from "../../../bench/soak/sample-agent.ts";
import type { AgentSoak, SoakSample } from "../../../bench/soak/soak-result.ts";

const COUNTS = { connections: 0, requests: 0, upstreams: 0, tunnels: 2, timers: 6, sockets: 2, bufferedBytes: 0 };
const MB = 1_024;

function sample(atSeconds: number, residentMb = 100): SoakSample {
  return { atSeconds, counts: COUNTS, memory: { residentKib: residentMb * MB, heapKib: 20 * MB, externalKib: 5 * MB } };
}

function soak(residentMb: (atSeconds: number) => number, after = sample(0)): AgentSoak {
  const during = Array.from({ length: 61 }, (_, index) => sample(index * 10, residentMb(index * 10)));
  return { node: "node-1", before: sample(0), during, after };
}

function failures(agent: AgentSoak): readonly string[] {
  return judgeSoak([agent])
    .filter(({ ok }) => !ok)
    .map(({ what }) => what);
}

test("what is back where it was, with memory that only breathes, is well", (t) => {
  t.deepEqual(failures(soak((seconds) => 100 + (seconds % 50) / 10)), []);
});

test("one request, timer or socket that stays is found; another lane of a tunnel is none", (t) => {
  const after = (counts: Partial<SoakSample["counts"]>): SoakSample => ({
    ...sample(0),
    counts: { ...COUNTS, ...counts },
  });
  t.deepEqual(failures(soak(() => 100, after({ requests: 1 }))), ["requests"]);
  t.deepEqual(failures(soak(() => 100, after({ connections: 1, upstreams: 3 }))), ["connections", "upstreams"]);
  t.deepEqual(failures(soak(() => 100, after({ tunnels: 5, sockets: 5, timers: 12 }))), []);
  t.deepEqual(failures(soak(() => 100, after({ timers: 13, sockets: 6 }))), ["timers", "sockets"]);
});

test("memory that grows all the time is found, growth while an agent warms up is not", (t) => {
  t.deepEqual(failures(soak((seconds) => 100 + seconds / 20)), ["residentKib"]);
  t.deepEqual(failures(soak((seconds) => 100 + Math.min(seconds, 100) / 2)), []);
});

test("a few outliers do not move the slope", (t) => {
  const { during } = soak((seconds) => (seconds % 200 === 0 ? 190 : 100));
  t.is(growth(during, "residentKib").grownKib, 0);
});

test("too few samples are no proof", (t) => {
  t.deepEqual(failures({ ...soak(() => 100), during: [sample(0), sample(1)] }), [
    "residentKib",
    "heapKib",
    "externalKib",
  ]);
});

test("an agent's metrics are read, sockets of all kinds together", (t) => {
  const text = [
    "hawser_streams_open 3",
    "hawser_http_requests_open 2",
    "hawser_http_upstreams_open 4",
    "hawser_tunnels_open 1",
    "hawser_worker_timers 7",
    'hawser_worker_resources{kind="TCPSocketWrap"} 5',
    'hawser_worker_resources{kind="TCPServerWrap"} 4',
    "hawser_worker_heap_bytes 2048",
    "hawser_worker_external_bytes 1024",
    "",
  ].join("\n");
  t.deepEqual(readSample(text, 99), {
    counts: { connections: 3, requests: 2, upstreams: 4, tunnels: 1, timers: 7, sockets: 5, bufferedBytes: 0 },
    memory: { residentKib: 99, heapKib: 2, externalKib: 1 },
  });
});

test("a person is told what is not well", (t) => {
  const agents = [soak(() => 100, { ...sample(0), counts: { ...COUNTS, requests: 1 } })];
  const result = { format: 1, startedAt: "", loadSeconds: 600, traffic: { keptAlive: 5_000 }, agents } as const;
  const text = formatSoak({ ...result, verdicts: judgeSoak(agents) });
  t.regex(text, /5,000 keptAlive/);
  t.regex(text, /requests\s+<= 0\s+1\s+NOT OK/);
  t.regex(text, /1 of 10 are not well/);
});
