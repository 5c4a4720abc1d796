/**
 * All that can be said about documents before they are in force: the table and the routes that they make, and what is
 * wrong with them among each other. For CI, the command line and whoever tries a draft.
 */
import type { Document } from "../protocol/documents/document.ts";
import type { Problem } from "../protocol/documents/problem.ts";
import type { RouteEntry } from "../protocol/route-table.ts";
import type { RouteStatus } from "../protocol/route-status.ts";
import { compileTable, type TableContents } from "./compile.ts";
import { compileRoutes, routeInput } from "./http/compile-routes.ts";
import { isKind } from "./is-kind.ts";

export interface CheckedDocuments {
  /** As if an agent served every node. */
  readonly contents: TableContents;
  readonly routes: readonly RouteEntry[];
  readonly statuses: readonly RouteStatus[];
  readonly problems: readonly Problem[];
}

export function checkDocuments(documents: readonly Document[]): CheckedDocuments {
  const agentNodes = new Set(documents.filter(isKind("Node")).map(({ metadata }) => metadata.name));
  const { contents, problems } = compileTable({ documents, agentNodes });
  const { entries, statuses, problems: ofRoutes } = compileRoutes(routeInput(documents));
  return {
    contents,
    routes: entries,
    statuses,
    problems: together(problems, ofRoutes),
  };
}

/** Each once: what is wrong with routes that are in force was found with the table already. */
function together(found: readonly Problem[], more: readonly Problem[]): readonly Problem[] {
  const known = new Set(found.map(identity));
  return [...found, ...more.filter((problem) => !known.has(identity(problem)))];
}

function identity({ file, line, column, message }: Problem): string {
  return `${file}:${line}:${column} ${message}`;
}
