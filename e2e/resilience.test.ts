/**
 * What a mesh does for requests whose servers are slow, broken or gone: mirrors, hedging, retry budgets, fallback, collapsing
 * and sessions. What is claimed of servers is counted at servers, what is claimed of clients at clients.
 */
import type { ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import type { HttpOutcome, HttpRequests } from "./pods/http-requests.ts";
import {
  clientPod,
  documentsText,
  httpRoute,
  mesh,
  type NodeNumber,
  pod,
  service,
  trafficPolicy,
} from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const PORT = 7000;
const CHANGE = { timeoutMs: 10_000 };
const WEB = ["web-1", "web-2", "web-3"];
const V2 = ["web-3", "old"];
const ALL = [...WEB, "old"];
/** Far above what an answer takes in a busy lab, far below what a hanging server costs. */
const UNHURT_MS = 1_000;
const LATE_MS = 600;

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  server("web-1", 2, { set: "web", version: "v1" }),
  server("web-2", 3, { set: "web", version: "v1" }),
  server("web-3", 3, { set: "web", version: "v2" }),
  server("old", 2, { version: "v2" }),
  server("shadow", 3, {}),
  of("plain", 131, { set: "web" }),
  trafficPolicy("plain", { timeouts: { request: "300ms" } }),
  of("mirrored", 132, { set: "web" }),
  of("shadow", 133, { app: "shadow" }),
  httpRoute("mirrored", {
    rules: [rule("/all", "mirrored", mirror()), rule("/part", "mirrored", mirror({ percent: 25 }))],
  }),
  of("hedged", 134, { set: "web" }),
  trafficPolicy("hedged", { loadBalancer: { algorithm: "round-robin" } }),
  httpRoute("hedged", {
    rules: ["plain", "fixed", "learnt"].map((name) => ({ name, ...rule(`/${name}`, "hedged") })),
  }),
  routePolicy("hedged", "fixed", {
    hedging: { after: "100ms" },
    retries: { attempts: 0, budget: { percent: 5, minRetryRate: { count: 0 } } },
  }),
  routePolicy("hedged", "learnt", { hedging: {}, retries: { attempts: 0 } }),
  of("budget", 135, { set: "web" }),
  trafficPolicy("budget", {
    retries: {
      attempts: 5,
      on: ["gateway-error"],
      backoff: "1ms",
      budget: { percent: 20, minRetryRate: { count: 0 } },
    },
  }),
  httpRoute("budget", { rules: [rule("/", "budget")] }),
  of("soft", 136, { set: "web" }),
  of("old", 137, { app: "old" }),
  httpRoute("soft", {
    rules: ["static", "elsewhere", "kept"].map((name) => ({ name, ...rule(`/${name}`, "soft") })),
  }),
  routePolicy("soft", "static", { fallback: { response: { status: 200, body: "later, please" } } }),
  routePolicy("soft", "elsewhere", { fallback: { backend: { name: "old", port: PORT } } }),
  routePolicy("soft", "kept", { fallback: { lastGood: { maxAge: "5m" } } }),
  of("once", 138, { app: "web-1" }),
  httpRoute("once", { rules: [rule("/", "once")] }),
  trafficPolicy("once", { collapse: { maxWaiting: 100 } }),
  of("session", 139, { set: "web" }),
  of("v1", 140, { version: "v1" }),
  of("v2", 141, { version: "v2" }),
]);

story("a Service without a route has the timeouts of its policy", async (t, lab) => {
  await mood(lab, WEB, `delayMs=${LATE_MS}`);
  const [outcome] = await ask(lab, { url: urlOf("plain", "/") });
  t.deepEqual([outcome?.status, outcome?.headers["hawser-reason"]], [504, "request-timeout"]);
  await mood(lab, WEB);
});

story("mirrors get copies of all requests, or of the share that was written", async (t, lab) => {
  await counts(lab, ["shadow"]);
  succeeded(t, await ask(lab, { url: urlOf("mirrored", "/all"), requests: 200, loops: 4 }));
  succeeded(t, await ask(lab, { url: urlOf("mirrored", "/part"), requests: 1_000, loops: 4 }));
  const copies: Record<string, number> = {};
  await eventually("the copies to have come", CHANGE, async () => {
    for (const [path, count] of Object.entries(await counts(lab, ["shadow"])))
      copies[path] = (copies[path] ?? 0) + count;
    return copies["/all"] === 200;
  });
  t.log(copies);
  t.true(Math.abs((copies["/part"] ?? 0) - 250) < 70, JSON.stringify(copies));
});

story("a mirror that is slow, hangs or dies changes nothing for the client", async (t, lab) => {
  const load = async (): Promise<readonly HttpOutcome[]> => {
    return succeeded(t, await ask(lab, { url: urlOf("mirrored", "/all"), requests: 400, loops: 8 }));
  };
  const figures: Record<string, unknown> = { "as it is": figuresOf(await load()) };
  const check = async (how: string): Promise<void> => {
    const outcomes = await load();
    figures[how] = figuresOf(outcomes);
    t.true(quantile(outcomes, 0.99) < UNHURT_MS, `${how}: ${JSON.stringify(figures[how])}`);
    t.deepEqual([...new Set(outcomes.map(({ seen }) => seen?.pod ?? ""))].toSorted(), WEB);
  };
  await mood(lab, ["shadow"], "delayMs=5000");
  await check("slow");
  await mood(lab, ["shadow"], "status=500");
  await check("failing");
  await lab.call("signalPod", { pod: "shadow", signal: "SIGSTOP" });
  await check("hanging");
  await lab.call("removePod", { pod: "shadow", graceSeconds: 0 });
  await check("dead");
  t.log(figures);
});

story("hedging takes a slow endpoint out of the last percent, with few requests more", async (t, lab) => {
  await mood(lab, ["web-1"], `every=10&delayMs=${LATE_MS}`);
  const requests = 1_000;
  const load = async (path: string) => {
    await counts(lab, WEB);
    const outcomes = succeeded(t, await ask(lab, { url: urlOf("hedged", path), requests, loops: 8 }));
    const asked = (await counts(lab, WEB))[path] ?? 0;
    return { ...figuresOf(outcomes), more: asked - requests };
  };
  const figures = { plain: await load("/plain"), fixed: await load("/fixed"), learnt: await load("/learnt") };
  t.log(figures);
  t.is(figures.plain.more, 0);
  t.true(figures.plain.p99 >= LATE_MS);
  t.true(figures.fixed.p99 < LATE_MS && figures.fixed.more > 0 && figures.fixed.more <= 0.05 * requests);
  t.true(figures.learnt.p99 < LATE_MS && figures.learnt.more > 0 && figures.learnt.more <= 0.05 * requests);
  await mood(lab, WEB);
});

story("under an outage, retries stay within their budget", async (t, lab) => {
  await mood(lab, WEB, "status=503");
  await counts(lab, WEB);
  const requests = 1_000;
  const outcomes = await ask(lab, { url: urlOf("budget", "/down"), requests, loops: 8 });
  const seen = await counts(lab, WEB);
  const extra = (seen["/down"] ?? 0) - requests;
  t.log({ extra });
  t.deepEqual([...new Set(outcomes.map(({ status }) => status))], [503]);
  t.true(extra > 0 && extra <= 0.2 * requests, `${extra} more`);
  await mood(lab, WEB);
});

story("instead of an error: a response, another backend, the last good answer", async (t, lab) => {
  const one = async (path: string): Promise<HttpOutcome> => {
    return (await ask(lab, { url: urlOf("soft", path) }))[0] as HttpOutcome;
  };
  const good = await one("/kept?id=3");
  t.is(good.status, 200);
  t.is(good.headers["hawser-reason"], undefined);
  await mood(lab, WEB, "status=503");
  const fallen = { status: 200, headers: { "hawser-reason": "fallback" } };
  t.like(await one("/static"), { ...fallen, seen: undefined });
  t.like(await one("/elsewhere"), { ...fallen, seen: { pod: "old", url: "/elsewhere" } });
  const kept = await one("/kept?id=3");
  t.like(kept, { ...fallen, seen: good.seen });
  t.regex(kept.headers["age"] ?? "", /^[0-9]+$/);
  t.is((await one("/kept?id=4")).status, 503, "nothing is kept of it");
  await mood(lab, WEB);
  t.is((await one("/kept?id=3")).headers["hawser-reason"], undefined, "the backend is asked as soon as it answers");
});

story("a hundred equal GETs at once are one for the server", async (t, lab) => {
  await mood(lab, ["web-1"], "delayMs=3000");
  await counts(lab, ["web-1"]);
  const outcomes = succeeded(t, await ask(lab, { url: urlOf("once", "/items?id=3"), requests: 100, loops: 100 }));
  t.is(outcomes.length, 100);
  t.deepEqual(await counts(lab, ["web-1"]), { "/items": 1 });
  await mood(lab, ["web-1"]);
});

story("a session stays at its pod while weights move", async (t, lab) => {
  const apply = (v1: number, v2: number): Promise<unknown> =>
    lab.call("applyDocuments", { file: "session.yaml", text: documentsText([sessionRoute(v1, v2)]) });
  await apply(100, 0);
  const url = urlOf("session", "/");
  await eventually("the route to hold", CHANGE, async () => {
    return (await ask(lab, { url })).every(({ headers }) => headers["set-cookie"] !== undefined);
  });
  await counts(lab, ALL);
  const load = ask(lab, { url: `${url}moving`, requests: 600, loops: 1, pauseMs: 5, cookies: true });
  await eventually("the session to begin", CHANGE, async () => ((await counts(lab, ALL))["/moving"] ?? 0) > 0);
  for (const v2 of [50, 100]) {
    await apply(100 - v2, v2);
    await eventually("new sessions to be shared by the weights", CHANGE, async () => {
      const pods = podsOf(await ask(lab, { url, requests: 40 }));
      return pods.some((name) => V2.includes(name)) && (v2 < 100 || pods.every((name) => V2.includes(name)));
    });
  }
  const outcomes = succeeded(t, await load);
  const pods = podsOf(outcomes);
  t.is(pods.length, 1, "one pod for all requests of the session");
  t.false(V2.includes(pods[0] ?? ""));
  t.is(outcomes.filter(({ headers }) => headers["set-cookie"] !== undefined).length, 1);
});

story("when its pod dies, a session begins anew at another one, and stays there", async (t, lab) => {
  await counts(lab, ALL);
  const load = ask(lab, { url: urlOf("session", "/dying"), requests: 300, loops: 1, pauseMs: 10, cookies: true });
  const name = await eventually("the session to begin", CHANGE, async () => {
    for (const each of ALL) if (((await counts(lab, [each]))["/dying"] ?? 0) > 0) return each;
    return undefined;
  });
  await lab.call("removePod", { pod: name, graceSeconds: 0 });
  const outcomes = await load;
  // The one that the pod had taken when it died.
  const failed = outcomes.filter(({ status }) => status !== 200);
  t.true(failed.length <= 1, JSON.stringify(failed));
  const pods = podsOf(outcomes.filter(({ status }) => status === 200));
  t.log(pods);
  t.deepEqual([pods.length, pods[0]], [2, name]);
  t.is(outcomes.filter(({ headers }) => headers["set-cookie"] !== undefined).length, 2);
});

function sessionRoute(v1: number, v2: number): object {
  const backendRefs = [
    { name: "v1", port: PORT, weight: v1 },
    { name: "v2", port: PORT, weight: v2 },
  ];
  return httpRoute("session", { rules: [{ backendRefs, sessionPersistence: { cookie: { name: "stay" } } }] });
}

function podsOf(outcomes: readonly HttpOutcome[]): readonly string[] {
  return [...new Set(outcomes.map(({ seen }) => seen?.pod ?? "nobody"))];
}

function rule(prefix: string, backend: string, ...filters: readonly object[]): object {
  return {
    matches: [{ path: { type: "PathPrefix", value: prefix } }],
    ...(filters.length === 0 ? {} : { filters }),
    backendRefs: [{ name: backend, port: PORT }],
  };
}

function mirror(share: object = {}): object {
  return { type: "RequestMirror", requestMirror: { backendRef: { name: "shadow", port: PORT }, ...share } };
}

function of(name: string, number: number, selector: Readonly<Record<string, string>>): object {
  return service({ name, number, selector, ports: [PORT] });
}

/** For one rule of an HTTPRoute. */
function routePolicy(route: string, sectionName: string, spec: object): object {
  const targetRef = { group: "gateway.networking.k8s.io", kind: "HTTPRoute", name: route, sectionName };
  return { ...trafficPolicy(`${route}-${sectionName}`, { ...spec, targetRef }) };
}

function server(name: string, node: NodeNumber, labels: Readonly<Record<string, string>>): LabPod {
  return pod({ name, node, labels, command: ["node", "e2e/pods/moody-server.ts", `${PORT}`], port: PORT });
}

function urlOf(name: string, path: string): string {
  return `http://${name}:${PORT}${path}`;
}

async function ask(lab: Lab, requests: HttpRequests): Promise<readonly HttpOutcome[]> {
  return await runProgram<readonly HttpOutcome[]>(lab, "client", "http-requests.ts", [JSON.stringify(requests)]);
}

function succeeded(t: ExecutionContext, outcomes: readonly HttpOutcome[]): readonly HttpOutcome[] {
  t.deepEqual(
    outcomes.filter(({ status }) => status !== 200),
    [],
  );
  return outcomes;
}

/** Without one: as a server should be. */
async function mood(lab: Lab, pods: readonly string[], how = ""): Promise<void> {
  await Promise.all(pods.map((name) => lab.call("podHttp", { pod: name, port: PORT, path: `/_mood?${how}` })));
}

/** Path -> requests at all of these since the last time. */
async function counts(lab: Lab, pods: readonly string[]): Promise<Readonly<Record<string, number>>> {
  const sums: Record<string, number> = {};
  for (const name of pods) {
    const { body } = await lab.call("podHttp", { pod: name, port: PORT, path: "/_counts" });
    for (const [path, count] of Object.entries(JSON.parse(body) as Record<string, number>)) {
      sums[path] = (sums[path] ?? 0) + count;
    }
  }
  return sums;
}

function quantile(outcomes: readonly HttpOutcome[], share: number): number {
  const sorted = outcomes.map(({ ms }) => ms).toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

function figuresOf(outcomes: readonly HttpOutcome[]) {
  return { p50: quantile(outcomes, 0.5), p99: quantile(outcomes, 0.99), max: quantile(outcomes, 1) };
}
