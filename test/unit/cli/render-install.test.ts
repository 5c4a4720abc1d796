import test from "ava";
import { parseAllDocuments } from "yaml";
import { ManifestSet } from "../../../cli/manifests/manifest-set.ts";
import { MANIFEST_VALUES } from "../../../cli/manifests/manifest-values.ts";
import { renderInstall } from "../../../cli/manifests/render-install.ts";
import { readManifests } from "../../../cli/read-manifests.ts";

const texts = [...readManifests().values()];
const plain = renderInstall(texts, []);

/** Lines that a setting changes: `- before` and `+ after`, in order. */
function changes(...settings: readonly string[]): readonly string[] {
  const [before, after] = [plain.split("\n"), renderInstall(texts, settings).split("\n")];
  const gone = before.filter((line) => !after.includes(line)).map((line) => `- ${line.trim()}`);
  return [...gone, ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line.trim()}`)];
}

test("without settings it prints the files, comments and all", (t) => {
  const withoutBlanks = (text: string): readonly string[] =>
    text.split("\n").flatMap((line) => (line.trim() === "" || line === "---" ? [] : [line.trim()]));
  t.deepEqual([...withoutBlanks(plain)].sort(), [...withoutBlanks(texts.join("\n"))].sort());
  t.is(parseAllDocuments(plain).length, new ManifestSet(texts).references().length);
});

test("a setting of the mesh takes the place of its commented line", (t) => {
  t.deepEqual(changes("encryption=permissive"), ["- encryption: strict", "+ encryption: permissive"]);
  t.deepEqual(changes("ejection.maxEjection=10m", "exclude.ports=[9100,9200]"), [
    "- #ejection:",
    "- #maxEjection: 5m",
    "- #exclude:",
    "- #ports: []",
    "+ ejection:",
    "+ maxEjection: 10m",
    "+ exclude:",
    "+ ports: [9100,9200]",
  ]);
});

test("of two values for one setting the later one counts", (t) => {
  t.deepEqual(changes("encryption=permissive", "encryption=strict"), []);
});

test("values of the manifests go where they belong", (t) => {
  t.deepEqual(changes("image=registry.example.com:5000/hawser:1.2"), [
    "- image: hawser:0.1.0",
    "- image: hawser:0.1.0",
    "+ image: registry.example.com:5000/hawser:1.2",
    "+ image: registry.example.com:5000/hawser:1.2",
  ]);
  t.deepEqual(changes("agent.drain=2m"), [
    "- terminationGracePeriodSeconds: 45",
    '- value: "30"',
    "+ terminationGracePeriodSeconds: 135",
    '+ value: "120"',
  ]);
  t.deepEqual(changes("agent.clusterCidrs=10.244.0.0/16,fd00::/48"), [
    "+ - name: HAWSER_CLUSTER_CIDRS",
    "+ value: 10.244.0.0/16,fd00::/48",
  ]);
  t.deepEqual(changes("networkPolicy.adminCidrs=192.0.2.9"), ["+ cidr: 192.0.2.9/32"]);
});

test("a single controller has no disruption budget, which would keep its node from being drained", (t) => {
  t.true(plain.includes("PodDisruptionBudget"));
  t.false(renderInstall(texts, ["controller.replicas=1"]).includes("PodDisruptionBudget"));
});

for (const [setting, message] of [
  ["encryptoin=strict", "Cannot set encryptoin, there is no such setting: did you mean encryption"],
  ["agent.dain=3s", "Cannot set agent.dain, there is no such setting: did you mean agent.drain"],
  ["colour=blue", "Cannot set colour, there is no such setting: see hawser install --help"],
  ["exclude.port=[1]", "Cannot set that:\nexclude.port: unknown key, did you mean ports"],
  ["encryption=non", 'Cannot set that:\nencryption: expected strict or permissive, found text "non"'],
  ["encryption=[", "Cannot read the value of encryption as YAML"],
  ["encryption", 'Cannot set "encryption", expected key=value'],
  [
    "image=hawser",
    'Cannot set image to "hawser", expected a name with a tag or digest, e.g. registry.example.com/hawser:0.1.0',
  ],
  ["controller.replicas=0", 'Cannot set controller.replicas to "0", expected a whole number from 1 to 9'],
  ["agent.drain=2h", 'Cannot set agent.drain to "2h", expected a duration of at most 1h, e.g. 30s'],
  ["agent.workers=many", 'Cannot set agent.workers to "many", expected a whole number from 1 to 64'],
  ["agent.iptables=ebpf", 'Cannot set agent.iptables to "ebpf", expected auto, nft or legacy'],
  ["agent.logLevel=loud", 'Cannot set agent.logLevel to "loud", expected one of debug, info, warn, error'],
  [
    "agent.clusterCidrs=here",
    'Cannot set agent.clusterCidrs to "here", expected CIDRs or addresses with commas between',
  ],
] as const) {
  test(`refused: --set ${setting}`, (t) => {
    t.throws(() => renderInstall(texts, [setting]), { code: "wrong-setting", message });
  });
}

test("every value of the manifests can be set to what it is initially", (t) => {
  for (const [key, { initial }] of Object.entries(MANIFEST_VALUES)) {
    if (initial !== "none") t.notThrows(() => renderInstall(texts, [`${key}=${initial}`]), key);
  }
});

test("what kubectl delete takes has agents first and the namespace last, and nothing but names", (t) => {
  const documents = parseAllDocuments(new ManifestSet(texts).inDeletionOrder());
  t.is(documents.at(0)?.get("kind"), "DaemonSet");
  t.is(documents.at(-1)?.get("kind"), "Namespace");
  t.true(documents.every((document) => document.get("spec") === undefined));
});
