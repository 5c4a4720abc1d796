/** Which accepted connections are looked into: those to a port of a Service that has a router, and no others. */
import test, { type ExecutionContext } from "ava";
import type { RequestRouter } from "../../../../agent/http/request-router.ts";
import { httpOrigin } from "../../../support/http-origin.ts";
import { listenForPods } from "../../../support/pod-listener.ts";

const teapot: RequestRouter = {
  decide: () => ({
    kind: "respond",
    code: "no-match",
    status: 404,
    headers: [],
    responseHeaders: [],
    reason: "no rule",
  }),
  endpoints: () => undefined,
  sessionEndpoints: () => [],
};

async function listen(t: ExecutionContext, router: RequestRouter | undefined, endpoints: boolean) {
  const origin = await httpOrigin(t);
  const originPort = endpoints ? { originPort: origin.port } : {};
  return await listenForPods(t, { router, port: { name: "http" }, ...originPort });
}

test("a Service's port with a router is served request by request", async (t) => {
  const { url, asked } = await listen(t, teapot, true);
  const response = await fetch(url);
  t.is(response.headers.get("hawser-reason"), "no-match");
  t.deepEqual(asked, ["shop/client shop/catalog true"]);
});

test("also when the Service has no endpoint: its routes may lead elsewhere", async (t) => {
  const { url } = await listen(t, teapot, false);
  t.is((await fetch(url)).status, 404);
});

test("without a router the bytes pass as they are", async (t) => {
  const { url } = await listen(t, undefined, true);
  const response = await fetch(url, { headers: { "x-request-id": "" } });
  t.is(response.status, 200);
  t.is(((await response.json()) as { headers: Record<string, string> }).headers["x-request-id"], "");
});

test("without a router and without endpoints it is refused", async (t) => {
  const { url, log } = await listen(t, undefined, false);
  await t.throwsAsync(fetch(url));
  t.like(log.lines[0]?.fields, { event: "connection", reason: "no-endpoints" });
});
