import test from "ava";
import { renderView } from "../../../../lab/view/render-view.ts";
import {
  client,
  labStatus,
  observation,
  placed,
  pod,
  QUIET_WIRE,
  TAKEN_MS,
} from "../../../support/lab-observations.ts";

function lineWith(lines: readonly string[], ...words: readonly string[]): string {
  return lines.find((line) => words.every((word) => line.includes(word))) ?? "";
}

test("renderView shows agents, flows and the wire", (t) => {
  const lines = renderView({ earlier: observation(), latest: observation() });
  t.regex(lines[0] ?? "", /hawser lab default {3}strict {3}ready after 3\.2 s/);
  t.regex(lineWith(lines, "TLSv1.3", "ready"), /^a +ready +40 +80 +0\.0 +12 +TLSv1\.3 +X25519MLKEM768 +60 min +2 +2$/);
  t.regex(lineWith(lines, "tunnel"), /^shop\/front-end +shop\/catalog +tunnel +other +4 +0\.0 +.*50\.0 kB +0$/);
  t.regex(lineWith(lines, "wire"), /12,345 packets, 0 with readable payload {3}TLSv1\.3 X25519MLKEM768/);
  t.regex(lineWith(lines, "pods  "), /3 ready/);
});

test("renderView gives rates and percentiles of the time between two observations", (t) => {
  const calls = (
    requests: number,
    latency: readonly (readonly [number, number])[],
    takenMs: number,
    cpuSeconds: number,
  ) => {
    const status = labStatus();
    const agents = status.agents.map((agent) => ({ ...agent, cpuSeconds }));
    const clients = [client("shop/front-end", "a", "shop/catalog", [placed("cross-node", { requests, latency })])];
    return observation({ takenMs, clients, status: { ...status, agents } });
  };
  const earlier = calls(100, [[160, 100]], TAKEN_MS, 1);
  const latest = calls(
    350,
    [
      [160, 100],
      [224, 250],
    ],
    TAKEN_MS + 5000,
    1.5,
  );
  const lines = renderView({ earlier, latest });
  t.regex(lineWith(lines, "tunnel"), /tunnel +other +4 +50\.0 +2\.08 +2\.08/);
  t.regex(lineWith(lines, "TLSv1.3", "ready"), / 10\.0 /);
});

test("renderView says what is wrong", (t) => {
  const pods = [{ ...pod("shop/db", "db", "a"), state: "skipped" as const, reason: "mariadbd is not installed" }];
  const status = labStatus({ mesh: false, agents: [], phase: "starting", detail: "starting pods", pods });
  const latest = observation({
    status,
    wire: { ...QUIET_WIRE, plaintextPackets: 2, plaintextSamples: ["tcp a > b: GET /"] },
  });
  const lines = renderView({ earlier: latest, latest });
  t.regex(lines[0] ?? "", /no mesh {3}starting: starting pods/);
  t.truthy(lineWith(lines, "2 with readable payload"));
  t.truthy(lineWith(lines, "tcp a > b: GET /"));
  t.truthy(lineWith(lines, "0 ready, shop/db skipped (mariadbd is not installed)"));
  t.regex(lineWith(lines, "a ", "none"), /none/);
});

test("renderView does not call an agent starting that nobody can tell ready", (t) => {
  const status = labStatus();
  const agents = status.agents.map((agent) => ({ ...agent, ready: false }));
  const rowWith = (state: "running" | "exited"): string => {
    const controller = { pid: 7, state, rssMb: 90, cpuSeconds: 1 };
    const latest = observation({ status: { ...status, agents, controller } });
    return lineWith(renderView({ earlier: latest, latest }), "TLSv1.3", " 40 ");
  };
  t.regex(rowWith("running"), /^a +starting /);
  t.regex(rowWith("exited"), /^a +running /);
});

test("renderView says when nothing captures", (t) => {
  const latest = observation({ wire: undefined, wireError: "tcpdump is not installed" });
  t.truthy(lineWith(renderView({ earlier: latest, latest }), "not captured: tcpdump is not installed"));
});
