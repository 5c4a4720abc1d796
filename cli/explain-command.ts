/** `hawser explain`: what would become of a request, and why, from documents in files. */
import type { Command } from "commander";
import { HawserError } from "../core/errors.ts";
import { nearMiss } from "../protocol/documents/near-miss.ts";
import { formatProblem } from "../protocol/documents/problem.ts";
import type { ServiceEntry, WorkloadEntry } from "../protocol/table.ts";
import { checkDocuments } from "../routing/check-documents.ts";
import { explainRequest, type RequestQuestion } from "../routing/http/explain-request.ts";
import { findService, serviceOfHost } from "../routing/http/find-service.ts";
import { readDocuments } from "./read-documents.ts";
import { renderExplanation } from "./render-explanation.ts";

export interface ExplainFlags {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly header: readonly string[];
  readonly file: readonly string[];
  readonly json?: boolean;
}

export function addExplainCommand(program: Command): void {
  program
    .command("explain")
    .description("Say what would become of a request, and why, as documents in files have it.")
    .requiredOption("--from <namespace/name>", "who asks: a pod, or what its label app says")
    .requiredOption("--to <url>", "such as http://catalog.shop/items?id=3")
    .option("-X, --method <method>", "the method", "GET")
    .option("-H, --header <name: value>", "a header; may be repeated", collect, [])
    .requiredOption("-f, --file <path...>", "files, or directories of *.yaml")
    .option("--json", "for a program")
    .action((flags: ExplainFlags) => console.log(explain(flags)));
}

function collect(header: string, before: readonly string[]): readonly string[] {
  return [...before, header];
}

/** The text to print. Throws HawserErrors that say what was probably meant. */
export function explain({ from, to, method, header, file, json = false }: ExplainFlags): string {
  const { documents, problems } = readDocuments(file);
  // An explanation without the documents that cannot be read would be one of something else.
  if (problems.length > 0) {
    throw new HawserError("wrong-documents", `The documents have problems:\n${problems.map(formatProblem).join("\n")}`);
  }
  const checked = checkDocuments(documents);
  const caller = findCaller(checked.contents.workloads, from);
  const question = toQuestion(checked.contents.services, caller, to, method, header);
  const explanation = explainRequest(checked, documents, question);
  if (json) return JSON.stringify(explanation, plain, 2);
  const told = checked.problems.map((problem) => `problem    ${formatProblem(problem)}`);
  return [renderExplanation(explanation), ...told].join("\n");
}

function plain(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}

type Caller = Pick<RequestQuestion, "namespace" | "source">;

/** Without pods in the documents, only the caller's namespace is known, and that is enough for routes. */
function findCaller(workloads: readonly WorkloadEntry[], from: string): Caller {
  const [namespace = "", name = "", rest] = from.split("/");
  if (namespace === "" || name === "" || rest !== undefined) {
    throw new HawserError("wrong-caller", `--from wants namespace/name, such as shop/web, not ${from}`);
  }
  if (workloads.length === 0) return { namespace, source: undefined };
  const source =
    workloads.find(({ uid }) => uid === from) ??
    workloads.find((workload) => workload.namespace === namespace && workload.workload === name);
  if (source !== undefined) return { namespace, source };
  const known = workloads.flatMap((workload) => [workload.uid, `${workload.namespace}/${workload.workload}`]);
  throw new HawserError(
    "unknown-caller",
    `There is no pod ${from}, nor pods with label app ${name}${hint(from, known)}`,
  );
}

function toQuestion(
  services: readonly ServiceEntry[],
  caller: Caller,
  to: string,
  method: string,
  lines: readonly string[],
): RequestQuestion {
  const { host, port, authority, target } = parseUrl(to);
  const service = findService(services, host, caller.namespace);
  if (service === undefined) {
    const name = serviceOfHost(host, caller.namespace) ?? host;
    const keys = services.map(({ key }) => key);
    throw new HawserError("unknown-service", `${host} is no Service in the documents${hint(name, keys)}`);
  }
  const tcp = service.ports.filter(({ protocol }) => protocol === "TCP");
  if (!tcp.some((each) => each.port === port)) {
    const ports = tcp.map((each) => each.port).join(", ");
    throw new HawserError("unknown-port", `Service ${service.key} has no TCP port ${port}: it has ${ports || "none"}`);
  }
  const headers = parseHeaders(lines);
  const host_ = headers.get("host")?.at(-1);
  headers.delete("host");
  return { ...caller, method, authority: host_ ?? authority, target, headers, service: service.key, port };
}

interface AskedUrl {
  readonly host: string;
  readonly port: number;
  readonly authority: string;
  readonly target: string;
}

/** Not by `URL`, which would change the path before routes see it. */
function parseUrl(text: string): AskedUrl {
  const [, scheme = "http", authority = "", rest = ""] = /^(?:([a-z]+):\/\/)?([^/?#\s]+)([^#\s]*)$/i.exec(text) ?? [];
  if (scheme === "https") {
    const why = "an application that speaks https encrypts itself, and the mesh sees no requests in it";
    throw new HawserError("wrong-url", `--to wants an http URL, not ${text}: ${why}`);
  }
  const [, host = "", port = "80"] = /^(\[[^\]]+\]|[^:]+)(?::([0-9]{1,5}))?$/.exec(authority) ?? [];
  if (scheme !== "http" || host === "") {
    throw new HawserError("wrong-url", `--to wants a URL such as http://catalog.shop/items?id=3, not ${text}`);
  }
  return { host, port: Number(port), authority, target: rest.startsWith("/") ? rest : `/${rest}` };
}

function parseHeaders(lines: readonly string[]): Map<string, string[]> {
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (name === "") throw new HawserError("wrong-header", `-H wants a header such as 'x-user: ann', not ${line}`);
    const key = name.toLowerCase();
    headers.set(key, [...(headers.get(key) ?? []), value]);
  }
  return headers;
}

/** `, did you mean shop/catalog`, or what there is when nothing is near. */
function hint(name: string, known: readonly string[]): string {
  const near = nearMiss(name, known);
  if (near !== undefined) return `, did you mean ${near}`;
  const [namespace = "", local = ""] = name.split("/");
  const elsewhere = known.filter((each) => each.endsWith(`/${local}`));
  const shown = elsewhere.length > 0 ? elsewhere : known.filter((each) => each.startsWith(`${namespace}/`));
  return shown.length === 0 ? "" : `, there is ${[...new Set(shown)].slice(0, 8).join(", ")}`;
}
