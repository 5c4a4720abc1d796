/** What a document asks of a request -> the table's condition. */
import type { RequestMatchDocument } from "../../protocol/documents/document.ts";
import type { RequestCondition } from "../../protocol/route-table.ts";
import { definedValues } from "../defined-values.ts";

/** `owner`: of the document, for users who are chosen without a seed of their own. */
export function compileCondition({ users, ...others }: RequestMatchDocument["spec"], owner: string): RequestCondition {
  const share = users === undefined ? undefined : { ...users, seed: users.seed ?? owner };
  return definedValues({ ...others, users: share });
}
