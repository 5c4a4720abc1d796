/** What a match of a route asks for, in words. */
import type { RouteMatch, RouteValueMatch } from "../../protocol/route-table.ts";

/** `path prefix /items, method GET, header x-user: ann`. */
export function describeMatch({ path, method, headers = [], query = [] }: RouteMatch): string {
  return [
    PATHS[path.type](path.value),
    ...(method === undefined ? [] : [`method ${method}`]),
    ...headers.map((each) => `header ${value(each, ": ")}`),
    ...query.map((each) => `query ${value(each, "=")}`),
  ].join(", ");
}

const PATHS: Readonly<Record<RouteMatch["path"]["type"], (value: string) => string>> = {
  exact: (path) => `path ${path}`,
  prefix: (path) => (path === "" ? "any path" : `path prefix ${path}`),
  suffix: (path) => `path ending in ${path}`,
  regex: (path) => `path by expression ${path}`,
};

function value({ name, value: exact, regex }: RouteValueMatch, between: string): string {
  return exact === undefined ? `${name} by expression ${regex ?? ""}` : `${name}${between}${exact}`;
}
