/** Agents, workers and the one who leases, on a clock that is moved by hand: what a quota is for a whole mesh. */
import test, { type ExecutionContext } from "ava";
import { QUOTA_LEASE_MS } from "../../../../protocol/quota.ts";
import { QuotaWorld } from "../../../support/quota-world.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const QUOTA = 500;

function world(nodes = 3): QuotaWorld {
  const mesh = new QuotaWorld({ requests: QUOTA, nodes });
  mesh.startController();
  mesh.clock.advance(100);
  return mesh;
}

function want(mesh: QuotaWorld, ...demands: number[]): void {
  demands.forEach((demand, index) => {
    const node = mesh.nodes[index];
    if (node !== undefined) node.demand = demand;
  });
}

function isWithin(t: ExecutionContext, found: readonly number[], least: number, most: number): void {
  t.true(
    found.every((each) => each >= least && each <= most),
    `${found.map(Math.round).join(" ")} should be ${least} to ${most}`,
  );
}

/** On average. Arrivals are random: no single second has more, some have less. */
function isWithinFivePercent(t: ExecutionContext, found: readonly number[]): void {
  isWithin(t, [found.reduce((sum, each) => sum + each, 0) / found.length], QUOTA * 0.95, QUOTA * 1.05);
  isWithin(t, found, QUOTA * 0.9, QUOTA * 1.06);
}

/** Of all agents, at this moment. */
function entitled(mesh: QuotaWorld): number {
  return mesh.nodes.flatMap(({ agent }) => agent.states).reduce((sum, { share }) => sum + share, 0);
}

test("uneven demand: the total is the quota, and who wants little gets it", (t) => {
  const mesh = world();
  want(mesh, 1_000, 150, 60);
  mesh.clock.advance(2_000);
  isWithinFivePercent(t, mesh.seconds(8));
  const [most = 0, some = 0, little = 0] = mesh.rates(10);
  isWithin(t, [most], 265, 315);
  isWithin(t, [some], 135, 160);
  isWithin(t, [little], 52, 68);
});

test("demand on one agent only gets nearly all", (t) => {
  const mesh = world();
  want(mesh, 2_000, 0, 0);
  mesh.clock.advance(1_000);
  isWithin(t, mesh.seconds(5), 485, 505);
});

test("even demand above the quota is divided evenly", (t) => {
  const mesh = world();
  want(mesh, 400, 400, 400);
  mesh.clock.advance(2_000);
  isWithin(t, mesh.rates(5), 158, 172);
});

test("below the quota nearly nothing is refused, also when requests come in clumps", (t) => {
  const mesh = world();
  want(mesh, 150, 120, 80);
  for (const node of mesh.nodes) node.clump = 5;
  mesh.clock.advance(3_000);
  const before = mesh.nodes.map(({ refused }) => refused);
  mesh.clock.advance(20_000);
  const refused = mesh.nodes.reduce((sum, node, index) => sum + node.refused - (before[index] as number), 0);
  t.true(refused < 350 * 20 * 0.05, `${refused} refused`);
});

test("demand that moves is followed within a second, and the total is kept all the while", (t) => {
  const mesh = world();
  const random = seededRandom(5);
  want(mesh, 900, 0, 0);
  mesh.clock.advance(2_000);
  for (let step = 0; step < 20; step += 1) {
    const busy = Math.floor(random() * 3);
    want(mesh, ...[0, 1, 2].map((node) => (node === busy ? 900 : 40)));
    const [during = 0, after = 0] = mesh.seconds(2);
    isWithin(t, [during], 350, QUOTA * 1.06);
    isWithinFivePercent(t, [after]);
  }
});

test("one worker of an agent may have all of its demand", (t) => {
  const mesh = world();
  want(mesh, 900, 200, 0);
  for (const node of mesh.nodes) node.weights = [1, 0];
  mesh.clock.advance(2_000);
  isWithinFivePercent(t, mesh.seconds(3));
  for (const node of mesh.nodes) node.weights = [0, 1];
  mesh.clock.advance(1_500);
  isWithinFivePercent(t, mesh.seconds(3));
});

test("a controller that is away: leases end, then each has its fair share", (t) => {
  const mesh = world();
  want(mesh, 2_000, 800, 800);
  mesh.clock.advance(3_000);
  mesh.stopController();
  const falling = mesh.seconds(Math.ceil(QUOTA_LEASE_MS / 1_000) + 1);
  isWithin(t, falling, 0, QUOTA * 1.05);
  isWithinFivePercent(t, mesh.seconds(4));
  isWithin(t, mesh.rates(4), 160, 172);
});

test("a controller that is back leases by demand again, and the total is kept on the way", (t) => {
  const mesh = world();
  want(mesh, 2_000, 30, 30);
  mesh.clock.advance(3_000);
  mesh.stopController();
  mesh.clock.advance(5_000);
  isWithin(t, mesh.rates(2).slice(0, 1), 160, 172);
  mesh.startController();
  isWithin(t, mesh.seconds(3), 150, QUOTA * 1.05);
  isWithinFivePercent(t, mesh.seconds(4));
  isWithin(t, mesh.rates(2).slice(0, 1), 415, 450);
});

test("a restart of the controller that is shorter than a lease is not noticed", (t) => {
  const mesh = world();
  want(mesh, 1_000, 300, 300);
  mesh.clock.advance(3_000);
  for (let restart = 0; restart < 5; restart += 1) {
    mesh.stopController();
    mesh.clock.advance(600);
    mesh.startController();
    isWithinFivePercent(t, mesh.seconds(3));
  }
});

test("an agent that begins while the controller is away is not left without", (t) => {
  const mesh = world();
  want(mesh, 2_000, 0, 0);
  mesh.clock.advance(3_000);
  mesh.stopController();
  mesh.clock.advance(500);
  want(mesh, 2_000, 500, 0);
  const [first = 0] = mesh.seconds(1);
  t.true(first <= QUOTA * 1.05);
  mesh.clock.advance(1_000);
  isWithin(t, mesh.rates(3).slice(1, 2), 155, 175);
});

test("one agent without a channel keeps its fair share, the others divide the rest", (t) => {
  const mesh = world();
  want(mesh, 1_000, 1_000, 300);
  mesh.clock.advance(3_000);
  mesh.disconnect(mesh.nodes[0] as never);
  isWithin(t, mesh.seconds(3), 0, QUOTA * 1.05);
  isWithinFivePercent(t, mesh.seconds(3));
  isWithin(t, mesh.rates(2), 155, 175);
});

test("an agent that crashes and comes back gives its share to nobody twice", (t) => {
  const mesh = world();
  want(mesh, 1_000, 1_000, 0);
  mesh.clock.advance(3_000);
  for (let restart = 0; restart < 4; restart += 1) {
    const [node] = mesh.nodes;
    if (node === undefined) return t.fail();
    mesh.startAgent(node);
    mesh.clock.advance(300);
    mesh.connect(node);
    isWithin(t, mesh.seconds(4), 200, QUOTA * 1.05);
  }
  isWithinFivePercent(t, mesh.seconds(2));
});

test("lost and late messages cost shares, never more than the quota", (t) => {
  const mesh = world();
  mesh.loss = 0.2;
  mesh.delayMs = 80;
  want(mesh, 900, 300, 100);
  mesh.clock.advance(2_000);
  isWithin(t, mesh.seconds(10), 425, QUOTA * 1.05);
});

test("a message that comes after minutes grants nothing", (t) => {
  const mesh = world();
  mesh.delayMs = QUOTA_LEASE_MS + 500;
  want(mesh, 900, 900, 900);
  mesh.clock.advance(10_000);
  t.true(mesh.nodes.every(({ agent }) => agent.states.every(({ standing }) => standing === "alone")));
  isWithin(t, mesh.seconds(5), 0, QUOTA * 1.05);
});

test("small quotas are divided in fractions", (t) => {
  const mesh = new QuotaWorld({ requests: 2, nodes: 5 });
  mesh.startController();
  want(mesh, 20, 20, 20, 20, 20);
  mesh.clock.advance(10_000);
  const [admitted = 0] = mesh.seconds(1, 60_000);
  isWithin(t, [admitted], 114, 126);
  t.true(mesh.nodes.every((node) => node.admitted > 15));
});

test("a quota of an hour", (t) => {
  const mesh = new QuotaWorld({ requests: 3_600, perMs: 3_600_000, nodes: 3 });
  mesh.startController();
  want(mesh, 5, 1, 0);
  mesh.clock.advance(600_000);
  const [admitted = 0] = mesh.seconds(1, 600_000);
  isWithin(t, [admitted], 570, 630);
});

test("without demand nothing is said, and no timer runs", (t) => {
  const mesh = world();
  want(mesh, 300, 0, 0);
  mesh.clock.advance(2_000);
  want(mesh, 0, 0, 0);
  mesh.clock.advance(5_000);
  const reports = mesh.nodes.map((node) => node.reports);
  mesh.clock.advance(60_000);
  t.deepEqual(
    mesh.nodes.map((node) => node.reports),
    reports,
  );
  t.is(reports[1], 1, "only that it holds nothing");
  t.deepEqual(mesh.leases.status(), []);
  // The world's own.
  t.is(mesh.clock.pendingTimers, 1);
});

test("at no moment are agents entitled to more than the quota, whatever happens", (t) => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = seededRandom(seed);
    const nodes = 2 + Math.floor(random() * 4);
    const mesh = new QuotaWorld({ requests: QUOTA, nodes, delayMs: 1 + Math.floor(random() * 120) });
    mesh.startController();
    for (let step = 0; step < 60; step += 1) {
      const said = misfortune(mesh, random);
      for (let left = random() * 1_500; left > 0; left -= 20) {
        mesh.clock.advance(20);
        if (entitled(mesh) > QUOTA * 1.000_001) t.fail(`seed ${seed}: ${entitled(mesh)} after ${said}`);
      }
    }
  }
  t.pass();
});

function misfortune(mesh: QuotaWorld, random: () => number): string {
  const node = mesh.nodes[Math.floor(random() * mesh.nodes.length)];
  const what = random();
  if (node === undefined || what < 0.5) {
    if (node !== undefined) node.demand = random() < 0.4 ? 0 : Math.floor(random() * 800);
    return `${node?.name} wants ${node?.demand}`;
  }
  if (what < 0.6) mesh.disconnect(node);
  else if (what < 0.75 && mesh.leases.isLeading) mesh.connect(node);
  else if (what < 0.8) {
    mesh.startAgent(node);
    if (mesh.leases.isLeading) mesh.connect(node);
  } else if (what < 0.87) mesh.stopController();
  else if (what < 0.95 && !mesh.leases.isLeading) mesh.startController();
  else mesh.delayMs = 1 + Math.floor(random() * 300);
  return `event ${what} at ${node.name}`;
}
