/** What `hawser explain` was asked -> a question about a table: who asks, what is dialled, and what is sent. */
import { HawserError } from "../../core/errors.ts";
import { nearMiss } from "../../protocol/documents/near-miss.ts";
import type { ServiceEntry, WorkloadEntry } from "../../protocol/table.ts";
import type { RequestQuestion } from "../../routing/http/explain-request.ts";
import { findService, serviceOfHost } from "../../routing/http/find-service.ts";

export interface QuestionFlags {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly header: readonly string[];
  readonly claim: readonly string[];
}

/** What questions are about. */
export interface AskedTable {
  /** Without any, only the caller's namespace is known, and that is enough for routes. */
  readonly workloads: readonly WorkloadEntry[];
  readonly services: readonly ServiceEntry[];
  /** For a sentence: `in the documents`. */
  readonly where: string;
  /** Of several equal pods, one of this node asks. */
  readonly node?: string | undefined;
}

/** Throws HawserErrors that say what was probably meant. */
export function toQuestion(table: AskedTable, { from, to, method, header, claim }: QuestionFlags): RequestQuestion {
  const caller = toCaller(table, from);
  const { host, port, authority, target } = parseUrl(to);
  const service = toDialled(table, host, port, caller.namespace);
  const headers = parseHeaders(header);
  const sent = headers.get("host")?.at(-1);
  headers.delete("host");
  const claims = claim.length === 0 ? {} : { claims: parseClaims(claim) };
  return { ...caller, ...claims, method, authority: sent ?? authority, target, headers, service: service.key, port };
}

type Caller = Pick<RequestQuestion, "namespace" | "source">;

function toCaller({ workloads, node }: AskedTable, from: string): Caller {
  const [namespace = "", name = "", rest] = from.split("/");
  if (namespace === "" || name === "" || rest !== undefined) {
    throw new HawserError("wrong-caller", `--from wants namespace/name, such as shop/web, not ${from}`);
  }
  if (workloads.length === 0) return { namespace, source: undefined };
  const group = workloads.filter((workload) => workload.namespace === namespace && workload.workload === name);
  const source =
    workloads.find(({ uid }) => uid === from) ?? group.find((workload) => workload.node === node) ?? group[0];
  if (source !== undefined) return { namespace, source };
  const known = workloads.flatMap((workload) => [workload.uid, `${workload.namespace}/${workload.workload}`]);
  throw new HawserError(
    "unknown-caller",
    `There is no pod ${from}, nor pods with label app ${name}${hint(from, known)}`,
  );
}

function toDialled(table: AskedTable, host: string, port: number, namespace: string): ServiceEntry {
  const { services, where } = table;
  const service = findService(services, host, namespace);
  if (service === undefined) {
    const name = serviceOfHost(host, namespace) ?? host;
    const keys = services.map(({ key }) => key);
    throw new HawserError("unknown-service", `${host} is no Service ${where}${hint(name, keys)}`);
  }
  const tcp = service.ports.filter(({ protocol }) => protocol === "TCP");
  if (!tcp.some((each) => each.port === port)) {
    const ports = tcp.map((each) => each.port).join(", ");
    throw new HawserError("unknown-port", `Service ${service.key} has no TCP port ${port}: it has ${ports || "none"}`);
  }
  return service;
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

/** A claim of several values is a list; of levels, its name has dots (satisfies-condition.ts). */
function parseClaims(texts: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const claims = new Map<string, string[]>();
  for (const text of texts) {
    const [, name = "", value = ""] = /^([^=\s]+)=(.*)$/.exec(text) ?? [];
    if (name === "") throw new HawserError("wrong-claim", `--claim wants a claim such as role=tester, not ${text}`);
    claims.set(name, [...(claims.get(name) ?? []), value]);
  }
  return Object.fromEntries(claims);
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
