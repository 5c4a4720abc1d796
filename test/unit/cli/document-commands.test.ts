import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { explain } from "../../../cli/explain-command.ts";
import { validate } from "../../../cli/validate-command.ts";

const SHOP = "test/unit/cli/shop";
const WRONG = "test/unit/cli/wrong";

type Flags = Partial<Parameters<typeof explain>[0]>;

const ask = (to: string, flags: Flags = {}) =>
  explain({ from: "shop/web", to, method: "GET", header: [], claim: [], file: [SHOP], ...flags });

/** Written anew with UPDATE_GOLDEN=1, and then read in the difference. */
function golden(t: ExecutionContext, name: string, text: string): void {
  const file = new URL(`${name}.golden`, import.meta.url);
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, text);
  t.is(text, readFileSync(file, "utf8"));
}

test("explain says which rule a request is under, and all that can become of it", (t) => {
  const texts = [
    ask("http://catalog.shop/items?id=3", { header: ["x-user: ann"] }),
    ask("catalog/other"),
    ask("http://catalog.shop.svc.cluster.local/old/x?y=1"),
    ask("http://10.96.0.14:6379/"),
    ask("http://catalog/items", { method: "POST", header: ["host: shop.example"] }),
  ];
  golden(t, "explain", `${texts.join("\n\n")}\n`);
});

test("explain --json has the decision as agents make it", (t) => {
  const text = ask("http://catalog.shop/items?id=3", { header: ["x-user: ann"], json: true });
  t.like(JSON.parse(text), {
    question: { method: "GET", service: "shop/catalog", port: 80, headers: { "x-user": ["ann"] } },
    by: { kind: "HTTPRoute", rule: { route: "shop/catalog", index: 1, name: "ann" }, match: { index: 0 } },
    place: { file: `${SHOP}/routes.yaml`, line: 13 },
    outcomes: [{ share: 1, decision: { kind: "forward", target: "/v2/items?id=3" } }],
  });
});

test("explain says what was probably meant", (t) => {
  const wrong = (to: string, flags: Flags = {}) => t.throws(() => ask(to, flags)).message;
  t.is(wrong("http://catalogue.shop/"), "catalogue.shop is no Service in the documents, did you mean shop/catalog");
  t.is(wrong("http://catalog.warehouse/"), "catalog.warehouse is no Service in the documents, there is shop/catalog");
  t.is(wrong("http://catalog:81/"), "Service shop/catalog has no TCP port 81: it has 80");
  t.regex(wrong("https://catalog/"), /wants an http URL, not https:\/\/catalog\/: .* encrypts itself/);
  t.regex(wrong("http://"), /wants a URL such as/);
  t.is(wrong("catalog", { header: ["x-user"] }), "-H wants a header such as 'x-user: ann', not x-user");
  const web = "There is no pod shop/wep, nor pods with label app wep, did you mean shop/web";
  t.is(wrong("catalog", { from: "shop/wep" }), web);
  t.is(wrong("catalog", { from: "web" }), "--from wants namespace/name, such as shop/web, not web");
  t.regex(wrong("catalog", { file: [WRONG] }), /^The documents have problems:\n.*text\.yaml:5:16/);
});

test("explain says what policies make of a request, by whom and for what", (t) => {
  const asked = { file: ["test/unit/cli/policies"], from: "shop/web" };
  const texts = [
    ask("http://catalog/", asked),
    ask("http://catalog/", { ...asked, claim: ["role=tester", "role=boss"] }),
    ask("http://cart/", asked),
  ];
  // What is in force already is no matter of this.
  const lines = texts.join("\n\n").split("\n");
  golden(t, "explain-policies", `${lines.filter((line) => !line.startsWith("note")).join("\n")}\n`);
});

test("explain needs no pods: the namespace is enough for routes", (t) => {
  const text = ask("http://catalog.shop/", { from: "team/any", file: [`${WRONG}/routes.yaml`] });
  t.regex(text, /^from {8}a caller in namespace team$/m);
});

test("validate has nothing against correct documents, and says what is not in force", (t) => {
  const { text, problems } = validate({ file: [SHOP] });
  t.is(problems, 0);
  golden(t, "validate-shop", `${text}\n`);
});

test("validate tells everything that is wrong at once, with places", (t) => {
  golden(t, "validate-wrong", `${validate({ file: [WRONG] }).text}\n`);
});

test("validate --json has the problems and the routes' conditions", (t) => {
  const { text } = validate({ file: [WRONG], json: true });
  const { problems, routes } = JSON.parse(text) as {
    problems: unknown[];
    routes: { name: string; parents: unknown[] }[];
  };
  t.like(problems[0], {
    code: "missing-target",
    file: `${WRONG}/routes.yaml`,
    line: 12,
    path: "spec.parentRefs[1].name",
  });
  const lost = routes.find(({ name }) => name === "lost");
  t.like(lost?.parents[1], { conditions: [{ type: "Accepted", status: "False", reason: "NoMatchingParent" }] });
});

test("validate names a path that is not there, and a directory without documents", (t) => {
  t.regex(t.throws(() => validate({ file: ["no/such"] })).message, /^no\/such cannot be read: /);
  t.regex(t.throws(() => validate({ file: ["docs"] })).message, /^There are no documents in docs/);
});

test("the command exits with 1 when there are problems", (t) => {
  const run = (directory: string) => spawnSync(process.execPath, ["cli/main.ts", "validate", "-f", directory]).status;
  t.deepEqual([run(SHOP), run(WRONG)], [0, 1]);
});
