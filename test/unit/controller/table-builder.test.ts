import test from "ava";
import { TableBuilder } from "../../../controller/table-builder.ts";
import { TableHistory } from "../../../controller/table-history.ts";
import { parseDocuments } from "../../../protocol/documents/parse-documents.ts";
import type { SourceState } from "../../../controller/source.ts";
import type { TableSnapshot } from "../../../protocol/table.ts";
import { nodeText, podText } from "../../support/cluster-documents.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLog } from "../../support/recording-log.ts";

interface Bench {
  readonly builder: TableBuilder;
  readonly history: TableHistory;
  readonly published: TableSnapshot[];
  readonly judged: number[];
  readonly log: RecordingLog;
  /** Nodes with an agent, as they are remembered. */
  readonly agents: Set<string>;
  /** The disk takes positions. */
  writable: boolean;
}

function bench(): Bench {
  const history = new TableHistory();
  const published: TableSnapshot[] = [];
  const judged: number[] = [];
  const log = new RecordingLog();
  const agents = new Set<string>();
  let epochOnDisk: string | undefined;
  const builder = new TableBuilder({
    history,
    trustDomain: "cluster.local",
    stateFiles: {
      claim: async ({ epoch }) => {
        if (result.writable) epochOnDisk = epoch;
        return result.writable || epochOnDisk !== epoch;
      },
      saveTable: () => {},
    },
    agentNodes: () => agents,
    onPublished: (table) => void published.push(table),
    onJudged: ({ problems }) => judged.push(problems),
    clock: new FakeClock(),
    log,
  });
  const result: Bench = { builder, history, published, judged, log, agents, writable: true };
  return result;
}

function state(...texts: string[]): SourceState {
  return { documents: parseDocuments(texts.join("---\n"), "test.yaml").documents, problems: [], judgement: "whole" };
}

const node1 = nodeText("node-1", 1);
const catalog = podText("catalog-1", "node-1", "10.244.1.2");

test("the first state is a table, a change is the next number, no change is nothing", async (t) => {
  const { builder, history, published } = bench();
  await builder.setState(state(node1));
  await builder.setState(state(node1, catalog));
  await builder.setState(state(catalog, node1));
  t.deepEqual(
    published.map((table) => table.sequence),
    [1, 2],
  );
  t.is(published[0]?.epoch, published[1]?.epoch);
  const { epoch } = published[0] ?? { epoch: "" };
  t.like(history.nextMessage({ epoch, sequence: 1 }), { kind: "delta", sequence: 2 });
});

test("a state with problems changes nothing, wherever they were found", async (t) => {
  const { builder, published, judged } = bench();
  await builder.setState(state(node1, catalog));
  await builder.setState({ documents: [], problems: ["mesh.yaml:1:1 broken"], judgement: "whole" });
  t.deepEqual(builder.problems, ["mesh.yaml:1:1 broken"]);
  // A pod on a node that is not there is only found by the compiler.
  await builder.setState(state(node1, podText("catalog-1", "nowhere", "10.244.1.2")));
  t.regex(builder.problems[0] ?? "", /^test\.yaml:/);
  t.is(published.length, 1);
  await builder.setState(state(node1, catalog));
  t.deepEqual(builder.problems, []);
  t.deepEqual(
    judged.map((problems) => problems > 0),
    [false, true, true, false],
  );
  t.is(published.length, 1);
});

test("judged each by itself, what is wrong is left out, and told when it comes and when it is gone", async (t) => {
  const { builder, published, judged, log, agents } = bench();
  const policy = `apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: gone, namespace: shop }
spec: { targetRef: { kind: Service, name: gone } }
`;
  const each = (problems: readonly string[], ...texts: string[]): SourceState => ({
    ...state(...texts),
    problems,
    judgement: "each",
  });
  const told = (): number => log.lines.filter(({ fields }) => "problem" in fields).length;
  await builder.setState(each(["ConfigMap hawser: unknown key"], node1, policy));
  t.deepEqual([published.length, judged, told()], [1, [2], 2]);
  t.regex(builder.problems.join(), /unknown key.*Service shop\/gone/);
  await builder.setState(each(["ConfigMap hawser: unknown key"], node1, policy, catalog));
  t.is(published.at(-1)?.workloads.length, 1);
  // Nothing new to tell.
  t.is(told(), 2);
  agents.add("node-1");
  await builder.agentsChanged();
  t.deepEqual([builder.problems.length, told()], [2, 2]);
  await builder.setState(each([], node1, catalog));
  t.deepEqual([builder.problems, judged.at(-1), told()], [[], 0, 4]);
});

test("in a cluster, the namespaces that it cannot come up without are outside the mesh", async (t) => {
  const { builder, published } = bench();
  await builder.setState({ ...state(node1), judgement: "each" });
  t.deepEqual(published[0]?.mesh.exclude.namespaces, ["hawser-system", "kube-system"]);
  await builder.setState(state(node1));
  t.deepEqual(published[1]?.mesh.exclude.namespaces, []);
});

test("an agent that becomes ready is in the table, also while the newest documents are refused", async (t) => {
  const { builder, published, agents } = bench();
  await builder.setState(state(node1));
  await builder.setState({ documents: [], problems: ["broken"], judgement: "whole" });
  agents.add("node-1");
  await builder.agentsChanged();
  t.true(published.at(-1)?.nodes[0]?.agent);
  await builder.agentsChanged();
  t.is(published.length, 2);
  t.deepEqual(builder.problems, ["broken"]);
  agents.delete("node-1");
  await builder.agentsChanged();
  t.false(published.at(-1)?.nodes[0]?.agent);
});

test("a restored table keeps its number when the documents say the same, and goes on from it when not", async (t) => {
  const first = bench();
  await first.builder.setState(state(node1));
  const table = first.published[0] as TableSnapshot;
  const { builder, published } = bench();
  await builder.restore({ table, continues: true });
  await builder.setState(state(node1));
  t.deepEqual(published, [table]);
  await builder.setState(state(node1, catalog));
  t.like(published.at(-1), { epoch: table.epoch, sequence: 2 });
});

test("a restored table that may be old gets an epoch of its own", async (t) => {
  const first = bench();
  await first.builder.setState(state(node1));
  const table = first.published[0] as TableSnapshot;
  const { builder, published } = bench();
  await builder.restore({ table, continues: false });
  t.not(published[0]?.epoch, table.epoch);
  t.deepEqual(published[0]?.nodes, table.nodes);
});

test("one number never means two tables: a disk that fails leads to a new epoch, which then goes on", async (t) => {
  const failing = bench();
  await failing.builder.setState(state(node1));
  failing.writable = false;
  await failing.builder.setState(state(node1, catalog));
  const [before, after] = failing.published;
  t.not(after?.epoch, before?.epoch);
  t.like(failing.history.nextMessage({ epoch: before?.epoch ?? "", sequence: 1 }), { kind: "snapshot" });
  await failing.builder.setState(state(node1));
  t.like(failing.published[2], { epoch: after?.epoch, sequence: 2 });
});

test("states that come faster than they can be judged end with the newest", async (t) => {
  const { builder, published } = bench();
  const states = Array.from({ length: 20 }, (_, index) =>
    state(node1, podText(`pod-${index}`, "node-1", "10.244.1.9")),
  );
  await Promise.all(states.map((next) => builder.setState(next)));
  t.is(published.at(-1)?.workloads[0]?.name, "pod-19");
  t.true(published.length < 20);
});

test("an agent that is remembered before its node is known is in the first table with the node", async (t) => {
  const { builder, published, agents } = bench();
  agents.add("node-1");
  await builder.agentsChanged();
  t.deepEqual(published, []);
  await builder.setState(state(node1));
  t.true(published[0]?.nodes[0]?.agent);
});
