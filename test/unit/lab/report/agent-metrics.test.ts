import test from "ava";
import { readAgentMetrics } from "../../../../lab/report/agent-metrics.ts";
import { AGENT_METRICS_TEXT, TAKEN_MS } from "../../../support/lab-observations.ts";

test("readAgentMetrics adds up what was taken from this node's clients, and only that", (t) => {
  const { connections } = readAgentMetrics("a", AGENT_METRICS_TEXT);
  t.deepEqual(connections, [{ from: "shop/front-end", to: "shop/catalog", path: "tunnel", opened: 7, bytes: 4000 }]);
});

test("readAgentMetrics gives what was negotiated and the certificate that expires first", (t) => {
  t.like(readAgentMetrics("a", AGENT_METRICS_TEXT), {
    tlsVersions: ["TLSv1.3"],
    keyExchanges: ["X25519MLKEM768"],
    nearestExpiryMs: TAKEN_MS + 3_600_000,
    tableSequence: 12,
    channelConnected: true,
    tunnelsOpen: 2,
  });
});

test("readAgentMetrics of an agent that has done nothing yet is empty", (t) => {
  t.like(readAgentMetrics("a", ""), {
    connections: [],
    tlsVersions: [],
    nearestExpiryMs: undefined,
    channelConnected: false,
  });
});
