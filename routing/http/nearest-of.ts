/** What was probably meant by a name that does not exist: for sentences. */
import { someOf } from "../compile-problems.ts";

/** Names that share the most with `name`: the same name in another namespace, or another name in the same one. */
export function nearestOf(name: string, known: Iterable<string>, what: string): string {
  const [namespace = "", local = ""] = name.split("/");
  const all = [...known];
  const elsewhere = all.filter((each) => each.endsWith(`/${local}`));
  if (elsewhere.length > 0) return `${what} (${someOf(elsewhere)})`;
  return `${what} (${someOf(all.filter((each) => each.startsWith(`${namespace}/`)))})`;
}
