/** `host:port`, `[v6]:port`, `:port` or `port` -> where to listen. Without a host: every address, IPv6 and IPv4. */
import { isIP } from "node:net";
import { HawserError } from "../core/errors.ts";

export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}

const ADDRESS = /^(?:(?<host>\[[^\]]+\]|[^:[\]]*):)?(?<port>\d{1,5})$/;

/** Throws HawserError `invalid-address`. */
export function parseListenAddress(text: string): ListenAddress {
  const groups = ADDRESS.exec(text.trim())?.groups;
  const host = (groups?.["host"] ?? "").replace(/^\[|\]$/g, "");
  const port = Number(groups?.["port"] ?? Number.NaN);
  const isName = /^[a-zA-Z][a-zA-Z0-9.-]*$/.test(host);
  if (!(port <= 65_535) || !(host === "" || isIP(host) !== 0 || isName)) {
    throw new HawserError(
      "invalid-address",
      `Cannot listen on ${JSON.stringify(text)}, expected host:port or [host]:port`,
    );
  }
  return host === "" ? { port } : { host, port };
}
