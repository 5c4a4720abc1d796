import test from "ava";
import { flowTable } from "../../../../lab/report/flow-table.ts";
import { client, labStatus, observation, placed, pod } from "../../../support/lab-observations.ts";

function rowsOf(changes: Parameters<typeof observation>[0] = {}) {
  return flowTable(observation(changes)).map(({ from, to, path, crossNode, requests, errors }) => ({
    from,
    to,
    path,
    crossNode,
    requests,
    errors,
  }));
}

test("flowTable calls a flow direct on the same node and tunnel when agents counted it", (t) => {
  const flow = { from: "shop/front-end", to: "shop/catalog", errors: 0 };
  t.deepEqual(rowsOf(), [
    { ...flow, path: "direct", crossNode: false, requests: 100 },
    { ...flow, path: "tunnel", crossNode: true, requests: 60 },
  ]);
});

test("flowTable does not believe in a tunnel that no agent counted", (t) => {
  t.deepEqual(
    rowsOf({ agents: [] }).map((row) => row.path),
    ["direct", "direct"],
  );
});

test("flowTable adds up the pods of a workload, whatever their node", (t) => {
  const pods = [pod("shop/front-1", "front-end", "a"), pod("shop/front-2", "front-end", "b")];
  const clients = pods.map(({ uid, node }) => client(uid, node, "shop/catalog", [placed("same-node")]));
  t.deepEqual(
    rowsOf({ status: labStatus({ pods }), clients }).map((row) => row.requests),
    [200],
  );
});

test("flowTable places silent servers and failures by where the service's pods run", (t) => {
  const unknown = placed("unknown", { requests: 9, errors: 1 });
  const crossNode = (servers: readonly string[]) => {
    const pods = [pod("shop/client", "client", "a"), ...servers.map((node, n) => pod(`shop/web-${n}`, "web", node))];
    return rowsOf({ status: labStatus({ pods }), clients: [client("shop/client", "a", "shop/web", [unknown])] })[0]
      ?.crossNode;
  };
  t.is(crossNode(["a"]), false);
  t.is(crossNode(["b"]), true);
  t.is(crossNode(["a", "b"]), true);
  t.is(crossNode([]), true);
});

test("flowTable puts failures with the answers of the other node", (t) => {
  const placements = [placed("same-node"), placed("cross-node"), placed("unknown", { requests: 0, errors: 3 })];
  const rows = rowsOf({ clients: [client("shop/front-end", "a", "shop/catalog", placements)] });
  t.deepEqual(
    rows.map((row) => [row.path, row.errors]),
    [
      ["direct", 0],
      ["tunnel", 3],
    ],
  );
});
