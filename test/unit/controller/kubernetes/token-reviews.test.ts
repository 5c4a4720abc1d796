import test from "ava";
import { limits, timers } from "../../../../controller/limits.ts";
import { TokenReviews } from "../../../../controller/kubernetes/token-reviews.ts";
import { KubeError } from "../../../../kubernetes/kube-client.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { MemoryKube } from "../../../support/memory-kube.ts";

const REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCOUNT = "system:serviceaccount:hawser-system:hawser-agent";
const NODE = "authentication.kubernetes.io/node-name";
const POD = "authentication.kubernetes.io/pod-name";
const UID = "authentication.kubernetes.io/pod-uid";

interface TokenShape {
  readonly aud?: unknown;
  readonly sub?: string;
  /** Seconds since the epoch. */
  readonly exp?: number;
}

function token(shape: TokenShape = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { aud: ["hawser"], sub: ACCOUNT, exp: Date.UTC(2026, 0, 2) / 1_000, ...shape };
  return `${part({ alg: "RS256" })}.${part(claims)}.signature`;
}

function bench(status: object = {}) {
  const client = new MemoryKube();
  const clock = new FakeClock();
  const results: string[] = [];
  const good = {
    authenticated: true,
    audiences: ["hawser"],
    user: { username: ACCOUNT, extra: { [NODE]: ["node-1"] } },
  };
  client.reviews.set(REVIEWS, () => ({ status: { ...good, ...status } }));
  const reviews = new TokenReviews({
    client,
    namespace: "hawser-system",
    clock,
    count: (result) => results.push(result),
  });
  const reason = async (text: string): Promise<string> => {
    const answer = await reviews.authenticate(text);
    return "node" in answer ? answer.node : answer.refused;
  };
  return { client, clock, results, reviews, reason };
}

test("an agent's token is that of the node on which its pod runs", async (t) => {
  const { client, reviews, results } = bench();
  const bodies: object[] = [];
  client.intercept = (_verb, _path, body) => void bodies.push(body ?? {});
  const mine = token();
  t.deepEqual(await reviews.authenticate(mine), { node: "node-1", expiresAtMs: Date.UTC(2026, 0, 2) });
  t.like(bodies[0], { kind: "TokenReview", spec: { token: mine, audiences: ["hawser"] } });
  t.deepEqual(results, ["node"]);
});

test("a token of another audience or account is refused without a question", async (t) => {
  const { client, reason } = bench();
  t.is(await reason(token({ aud: ["https://kubernetes.default.svc"] })), "token-audience");
  t.is(await reason(token({ aud: "vault" })), "token-audience");
  t.is(await reason(token({ sub: "system:serviceaccount:shop:default" })), "token-account");
  for (const junk of ["", "x", "a.b.c", "..", `a.${Buffer.from("1").toString("base64url")}.c`]) {
    t.is(await reason(junk), "token");
  }
  t.deepEqual(client.calls, []);
});

test("what a token says of itself does not count against the API server's word", async (t) => {
  const cases: [object, string][] = [
    [{ authenticated: false, error: "expired" }, "token"],
    [{}, "node-1"],
    [{ audiences: [] }, "token-audience"],
    [{ audiences: ["https://kubernetes.default.svc"] }, "token-audience"],
    [{ user: { username: "system:serviceaccount:shop:hawser-agent", extra: { [NODE]: ["node-1"] } } }, "token-account"],
    [{ user: { username: ACCOUNT, extra: {} } }, "token-node"],
    [{ user: { username: ACCOUNT } }, "token-node"],
  ];
  for (const [status, expected] of cases) t.is(await bench(status).reason(token()), expected, JSON.stringify(status));
});

test("an API server that names only the pod is asked where it runs, and the pod must be the same one", async (t) => {
  const path = "/api/v1/namespaces/hawser-system/pods/hawser-agent-x";
  const bound = { user: { username: ACCOUNT, extra: { [POD]: ["hawser-agent-x"], [UID]: ["uid-1"] } } };
  const { client, clock, reason } = bench(bound);
  t.is(await reason(token()), "token-node", "no such pod");
  client.put(path, { metadata: { name: "hawser-agent-x", uid: "uid-2" }, spec: { nodeName: "node-2" } });
  t.is(await reason(token()), "token-node", "another pod of that name");
  client.put(path, { metadata: { name: "hawser-agent-x", uid: "uid-1" }, spec: {} });
  t.is(await reason(token()), "token-node", "not scheduled");
  client.put(path, { metadata: { name: "hawser-agent-x", uid: "uid-1" }, spec: { nodeName: "node-2" } });
  t.is(await reason(token()), "node-2");
  clock.advance(timers.knownTokenMs + 1);
  client.intercept = (verb) => (verb === "get" ? Promise.reject(new KubeError("away", 0, "")) : undefined);
  t.is(await reason(token()), "api-unreachable");
});

test("a good token is known for a moment, not longer than it lives, and a refusal is never remembered", async (t) => {
  const { client, clock, reason } = bench();
  const asked = (): number => client.calls.length;
  await reason(token());
  await reason(token());
  t.is(asked(), 1);
  clock.advance(timers.knownTokenMs + 1);
  await reason(token());
  t.is(asked(), 2);
  const short = token({ exp: clock.nowMs() / 1_000 + 1 });
  await reason(short);
  clock.advance(1_001);
  await reason(short);
  t.is(asked(), 4);
  const refusing = bench({ authenticated: false });
  await refusing.reason(token());
  await refusing.reason(token());
  t.is(refusing.client.calls.length, 2);
});

test("an API server that is away, or does not answer in time, is a refusal of the moment", async (t) => {
  const { client, clock, reason } = bench();
  client.intercept = () => Promise.reject(new KubeError("away", 0, "Unreachable"));
  t.is(await reason(token()), "api-unreachable");
  client.intercept = () => new Promise(() => {});
  const waiting = reason(token());
  clock.advance(timers.authenticationMs);
  t.is(await waiting, "api-unreachable");
  t.is(clock.pendingTimers, 0);
});

test("a bounded number of tokens is judged at once, a bounded number waits, the rest is told so", async (t) => {
  const { client, clock, reason } = bench();
  const release: (() => void)[] = [];
  client.intercept = () => new Promise<void>((resolve) => release.push(resolve));
  const all = Array.from({ length: limits.tokenReviews + limits.tokenReviewsWaiting }, () => reason(token()));
  t.is(await reason(token()), "busy");
  t.is(client.calls.length, limits.tokenReviews);
  release[0]?.();
  t.is(await all[0], "node-1");
  t.is(client.calls.length, limits.tokenReviews + 1, "the next one's turn");
  clock.advance(timers.authenticationMs);
  t.deepEqual(new Set(await Promise.all(all.slice(1))), new Set(["api-unreachable"]));
  t.is(client.calls.length, limits.tokenReviews + 1, "nobody asks for those who have gone");
});
