/** What a match of a route asks for, in words. */
import type { RequestCondition, RouteMatch, RouteValueMatch, ValueSource } from "../../protocol/route-table.ts";

/** `path prefix /items, method GET, header x-user: ann`. */
export function describeMatch({ path, method, headers = [], query = [], when }: RouteMatch): string {
  return [
    PATHS[path.type](path.value),
    ...(method === undefined ? [] : [`method ${method}`]),
    ...headers.map((each) => `header ${value(each, ": ")}`),
    ...query.map((each) => `query ${value(each, "=")}`),
    ...(when === undefined ? [] : [describeCondition(when)]),
  ].join(", ");
}

/** `namespace shop or web, 5 % of users by header x-user`. */
export function describeCondition({ identities, namespaces, claims = [], users }: RequestCondition): string {
  return [
    ...(identities === undefined ? [] : [`identity ${identities.join(" or ")}`]),
    ...(namespaces === undefined ? [] : [`namespace ${namespaces.join(" or ")}`]),
    ...claims.map(({ name, values }) => `claim ${name}: ${values.join(" or ")}`),
    ...(users === undefined ? [] : [`${users.percent} % of users by ${describeSource(users.by)}`]),
  ].join(", ");
}

/** `header x-user`, `identity`. */
export function describeSource(source: ValueSource): string {
  return "name" in source ? `${source.from} ${source.name}` : source.from;
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
