/** The key of routes in the table: those of one port of one Service, for everyone or for callers of one namespace. */

/** `shop/catalog:80`, `shop/catalog:80@team-a`. */
export function routeKey(service: string, port: number, consumer: string | undefined): string {
  return consumer === undefined ? `${service}:${port}` : `${service}:${port}@${consumer}`;
}
