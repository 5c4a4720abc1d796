/**
 * The page docs/traffic-policy.md (pure): every field of the documents about policies, out of the schemas that read them.
 * What may be written for a field is what the parser says when something else is.
 */
import { KIND_JSON_SCHEMAS, type JsonSchema } from "../protocol/documents/json-schema.ts";
import { judgeValue } from "../protocol/documents/schema-findings.ts";
import { formatPath, type ProblemPath } from "../protocol/documents/problem.ts";
import { REQUEST_PART_NAMES } from "../protocol/documents/traffic-policy-document.ts";

type PolicyKind = "TrafficPolicy" | "RequestMatch" | "Subset";

/** Every key of one part, in the order of the schema. */
interface Field {
  readonly path: ProblemPath;
  readonly schema: JsonSchema;
  readonly required: boolean;
}

export function policyPage(): string {
  const { targetRef, ...parts } = propertiesOf(specOf("TrafficPolicy"));
  const sections = Object.entries({ targetRef, ...parts }).map(([name, schema]) =>
    section("TrafficPolicy", name, schema as JsonSchema),
  );
  const others = (["RequestMatch", "Subset"] as const).map((kind) =>
    [`## ${kind}`, INTRODUCTIONS[kind], fence(EXAMPLES[kind]), table(kind, fieldsOf(specOf(kind), []))].join("\n\n"),
  );
  const head = ["# TrafficPolicy, RequestMatch, Subset", GENERATED, INTRODUCTIONS.TrafficPolicy];
  return [...head, fence(EXAMPLES.TrafficPolicy), ...sections, ...others].join("\n\n").concat("\n");
}

const GENERATED =
  "<!-- Made by `npm run docs` from the schemas in protocol/documents; a test fails when it is out of date. -->";

const INTRODUCTIONS: Readonly<Record<PolicyKind, string>> = {
  TrafficPolicy: `A TrafficPolicy says how connections and requests to a Service are spread and protected, or those under a route or one
rule of it. Every part is optional, and off when it is absent, unless its description says otherwise.

A request is under the policy of its rule, of its route and of the Service that was dialled. Each part is taken as a whole from the first
of these that has it; of \`timeouts\` and \`retries\` each value by itself, after what the rule says. What is counted is counted for what the policy
is for: rules of one route share the count of its policy, and a rule with a policy of its own has its own.

A Service whose policy has one of the parts about requests, a hash, or an ejection by what requests say (\`consecutiveErrors\`,
\`successShare\`, \`latency\`) is handled request by request by the agent of each caller's node, with
a route and without. How documents are read:
[decision 0025](decisions/0025-traffic-policy.md).`,
  RequestMatch: `Further conditions of a rule: all of its matches are then for requests only that satisfy these too. A match with a condition
goes before the same one without. The rule, in the same namespace, has it once among its own filters:
\`{ type: ExtensionRef, extensionRef: { group: hawser.dev, kind: RequestMatch, name: testers } }\`.`,
  Subset: `Endpoints of a Service whose pods have all of some labels. Routes have it as a backend, with the Service's port:
\`{ group: hawser.dev, kind: Subset, name: catalog-v2, port: 80, weight: 10 }\`.`,
};

/** Correct documents, which a test reads. */
export const EXAMPLES: Readonly<Record<PolicyKind, string>> = {
  TrafficPolicy: `apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: catalog, namespace: shop }
spec:
  targetRef: { kind: Service, name: catalog }
  timeouts: { request: 2s, perTry: 500ms }
  retries: { attempts: 2, on: [connect-failure, reset, 503] }
  concurrency: { maxRequests: 100, maxWaiting: 50 }
  circuitBreaker: { errorPercent: 50, openFor: 5s }
  rateLimits:
    - { requests: 20, per: 1s, by: identity }
  quota: { requests: 500, per: 1s }
  fallback: { on: [503], lastGood: { maxAge: 5m } }`,
  RequestMatch: `apiVersion: hawser.dev/v1
kind: RequestMatch
metadata: { name: testers, namespace: shop }
spec:
  namespaces: [shop, web]
  users: { percent: 5, by: { header: x-user } }`,
  Subset: `apiVersion: hawser.dev/v1
kind: Subset
metadata: { name: catalog-v2, namespace: shop }
spec: { service: catalog, labels: { version: v2 } }`,
};

function fence(yaml: string): string {
  return `\`\`\`yaml\n${yaml}\n\`\`\``;
}

function section(kind: PolicyKind, name: string, schema: JsonSchema): string {
  const whom = REQUEST_PART_NAMES.some((part) => part === name) ? "a Service, a route or a rule" : "a Service";
  const target = name === "targetRef" ? "" : `\n\nOf a policy for ${whom}.`;
  const fields = fieldsOf(schema, [name]);
  // A part that is a single value has no fields of its own.
  if (fields.length === 0)
    return `## \`${name}\`${target}\n\n${table(kind, [{ path: [name], schema, required: false }])}`;
  const { does, absent } = describe(schema);
  const otherwise = absent === undefined ? "" : ` When it is absent: ${absent}.`;
  return `## \`${name}\`\n\n${does}${otherwise}${target}\n\n${table(kind, fields)}`;
}

function table(kind: PolicyKind, fields: readonly Field[]): string {
  const rows = fields.map((field) => row(kind, field));
  return ["| field | what it does | value | default |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function row(kind: PolicyKind, { path, schema, required }: Field): string {
  const { does, absent } = describe(schema);
  const standard = schema.default === undefined ? absent : valueText(schema.default);
  const name = formatPath(path).replaceAll("[0]", "[]");
  const cells = [`\`${name}\``, does, valueOf(kind, path, schema), required ? "required" : (standard ?? "not set")];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** `absent`: what holds then, where the description ends with it. */
function describe({ description = "" }: JsonSchema): { readonly does: string; readonly absent?: string } {
  const [whole, before = "", absent] = /^(.*)[;.] absent: (.+)\.$/is.exec(description) ?? [];
  return whole === undefined
    ? { does: description }
    : { does: `${before}.`, ...(absent === undefined ? {} : { absent }) };
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  if (typeof value === "object") return "all its defaults";
  return value === "" ? '""' : `${value as string | number | boolean}`;
}

/** Keys of a mapping, their own keys below them; of a list of mappings, those of each entry. Alternatives say it all themselves. */
function fieldsOf(schema: JsonSchema, path: ProblemPath): readonly Field[] {
  if (isSchema(schema.items)) return fieldsOf(schema.items, [...path, 0]);
  return Object.entries(propertiesOf(schema)).flatMap(([key, property]): readonly Field[] => {
    const at = [...path, key];
    const required = schema.required?.includes(key) ?? false;
    return [{ path: at, schema: property, required }, ...fieldsOf(property, at)];
  });
}

function specOf(kind: PolicyKind): JsonSchema {
  return propertiesOf(KIND_JSON_SCHEMAS[kind])["spec"] ?? {};
}

function propertiesOf({ properties = {} }: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(
    Object.entries(properties).filter((entry): entry is [string, JsonSchema] => isSchema(entry[1])),
  );
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** In the words of the parser, who is given nothing at the field. */
function valueOf(kind: PolicyKind, path: ProblemPath, schema: JsonSchema): string {
  if (isSchema(schema.items)) {
    const most = schema.maxItems === undefined ? "" : ` of at most ${schema.maxItems}`;
    const items = schema.items;
    return items.properties === undefined ? `a list${most}: ${expectedAt(kind, [...path, 0])}` : `a list${most}`;
  }
  return expectedAt(kind, path);
}

function expectedAt(kind: PolicyKind, path: ProblemPath): string {
  const whole = { apiVersion: "hawser.dev/v1", kind, metadata: { name: "page" }, spec: nothingAt(path) };
  const judgement = judgeValue(kind, whole);
  const name = formatPath(["spec", ...path]);
  const findings = "findings" in judgement ? judgement.findings : [];
  return findings.find((finding) => formatPath(finding.path) === name)?.expected ?? "";
}

function nothingAt([key, ...rest]: ProblemPath): unknown {
  if (key === undefined) return null;
  return typeof key === "number" ? [nothingAt(rest)] : { [key]: nothingAt(rest) };
}
