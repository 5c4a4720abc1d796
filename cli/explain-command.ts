/**
 * `hawser explain`: what would become of a request, and why: as documents in files have it, or as the table has it that an
 * agent or a controller has in force. The decision is the agents' own.
 */
import type { Command } from "commander";
import { HawserError } from "../core/errors.ts";
import { openKubeCredentials } from "../kubernetes/open-kube-client.ts";
import { formatProblem } from "../protocol/documents/problem.ts";
import { checkDocuments } from "../routing/check-documents.ts";
import { type Explanation, explainRequest } from "../routing/http/explain-request.ts";
import { type AdminPort, portAtUrl } from "./explain/admin-port.ts";
import { agentPort, controllerPort } from "./explain/cluster-ports.ts";
import { readLiveEndpoints, readLiveProtection, readLiveWorld } from "./explain/live-world.ts";
import { type QuestionFlags, toQuestion } from "./explain/request-question.ts";
import { type ClusterFlags, withCluster, withClusterFlags } from "./open-cluster.ts";
import { readDocuments } from "./read-documents.ts";
import { type LiveFacts, renderExplanation } from "./render-explanation.ts";

export interface ExplainFlags extends QuestionFlags {
  readonly json?: boolean;
}

interface SourceFlags extends ClusterFlags {
  readonly file?: readonly string[];
  readonly agent?: string;
  readonly controller?: boolean;
  readonly url?: string;
}

export function addExplainCommand(program: Command): void {
  withClusterFlags(withQuestionOptions(program.command("explain")))
    .description("Say what would become of a request, and why: as files, an agent or the controller have it.")
    .option("-f, --file <path...>", "files, or directories of *.yaml")
    .option("--agent <node or pod>", "the table of this node's agent, and what it knows of endpoints")
    .option("--controller", "the controller's table")
    .option("--url <url>", "of an admin port, such as http://127.0.0.1:15000, instead of the API server's way to it")
    .action(async (flags: ExplainFlags & SourceFlags) => console.log(await explainBy(flags)));
}

/** Who asks for what. */
export function withQuestionOptions(command: Command): Command {
  return command
    .requiredOption("--from <namespace/name>", "who asks: a pod, or what its label app says")
    .requiredOption("--to <url>", "such as http://catalog.shop/items?id=3")
    .option("-X, --method <method>", "the method", "GET")
    .option("-H, --header <name: value>", "a header; may be repeated", collect, [])
    .option("--claim <name=value>", "of the caller's verified token; may be repeated", collect, [])
    .option("--json", "for a program");
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

async function explainBy(flags: ExplainFlags & SourceFlags): Promise<string> {
  const { file, agent, controller, url } = flags;
  const given = [file, agent, controller, url].filter((each) => each !== undefined).length;
  if (given !== 1) {
    throw new HawserError("wrong-source", "Whose routes? One of --file, --agent, --controller and --url");
  }
  if (file !== undefined) return explain({ ...flags, file });
  if (url !== undefined) return await explainLive(portAtUrl(url), flags);
  return await withCluster(flags, async (kube) => {
    if (agent === undefined) return await explainLive(await controllerPort(kube), flags);
    const { kubeconfig, context } = flags;
    const credentials = await openKubeCredentials({ kubeconfig, context, environment: process.env });
    return await explainLive(await agentPort(kube, credentials, agent), flags);
  });
}

/** From files: the text to print. Throws HawserErrors that say what was probably meant. */
export function explain({ file, json = false, ...asked }: ExplainFlags & { readonly file: readonly string[] }): string {
  const { documents, problems } = readDocuments(file);
  // An explanation without the documents that cannot be read would be one of something else.
  if (problems.length > 0) {
    throw new HawserError("wrong-documents", `The documents have problems:\n${problems.map(formatProblem).join("\n")}`);
  }
  const checked = checkDocuments(documents);
  const question = toQuestion({ ...checked.contents, where: "in the documents" }, asked);
  const explanation = explainRequest({ ...checked, documents }, question);
  if (json) return toJson(explanation);
  const told = checked.problems.map((problem) => `problem    ${formatProblem(problem)}`);
  return [renderExplanation(explanation), ...told].join("\n");
}

/** From what is in force: likewise. */
export async function explainLive(port: AdminPort, { json = false, ...asked }: ExplainFlags): Promise<string> {
  const { table, node, about } = await readLiveWorld(port);
  const question = toQuestion({ ...table, where: `in the table of ${port.name}`, node }, asked);
  const explanation = explainRequest({ contents: table, routes: table.routes }, question);
  const services = node === undefined ? [] : servicesOf(explanation);
  const live = (await Promise.all(services.map((service) => readLiveEndpoints(port, service)))).flat();
  const rule = node === undefined ? undefined : explanation.by?.rule;
  const protection = rule === undefined ? undefined : await readLiveProtection(port, rule);
  const facts = { about, live, node, ...(protection === undefined ? {} : { protection }) };
  return json ? toJson({ ...explanation, ...facts }) : renderExplanation(explanation, facts);
}

/** Those that the request may go to. */
function servicesOf({ outcomes }: Explanation): readonly string[] {
  return [
    ...new Set(outcomes.flatMap(({ decision }) => (decision.kind === "forward" ? [decision.backend.service] : []))),
  ];
}

function toJson(explanation: Explanation & Partial<LiveFacts>): string {
  return JSON.stringify(
    explanation,
    (_key, value: unknown): unknown => (value instanceof Map ? Object.fromEntries(value) : value),
    2,
  );
}
