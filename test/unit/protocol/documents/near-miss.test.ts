import test from "ava";
import { nearMiss } from "../../../../protocol/documents/near-miss.ts";

const KEYS = ["locality", "loadBalancer", "ejection", "port", "ports"];
const WORDS: [string, string | undefined][] = [
  ["localty", "locality"],
  ["loaclity", "locality"],
  ["Locality", "locality"],
  ["loadbalancer", "loadBalancer"],
  ["load_balancer", "loadBalancer"],
  ["prot", "port"],
  ["portz", "port"],
  ["timeouts", undefined],
  ["x", undefined],
  ["", undefined],
];

for (const [word, expected] of WORDS) {
  test(`"${word}" is near ${expected ?? "nothing"}`, (t) => t.is(nearMiss(word, KEYS), expected));
}
