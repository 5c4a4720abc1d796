/**
 * The value by which a client comes back to its endpoint (GEP-1619), in a cookie or a header.
 *
 *   1 | backend, 8 characters | endpoint, 12 characters | second of its making, base 36
 *
 * Backend and endpoint are hashes: no address or name of a pod is told to clients. Every agent makes the same token and
 * understands any other's; none remembers a session. A token that somebody made up is worth nothing: it can only name an
 * endpoint that the rule may choose anyway.
 */
import { hash } from "node:crypto";
import type { RouteRule, RouteTarget } from "../../../protocol/route-table.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";

export interface SessionToken {
  readonly backend: string;
  readonly endpoint: string;
  readonly madeMs: number;
}

/** 48 bits: a rule has at most some backends. */
const BACKEND_CHARACTERS = 8;
/** 72 bits: no two endpoints of a Service meet by chance. */
const ENDPOINT_CHARACTERS = 12;
const TOKEN = /^1([\w-]{8})([\w-]{12})([0-9a-z]{1,7})$/;
const BASE = 36;
const MS_PER_SECOND = 1_000;

export function writeSessionToken({ backend, endpoint, madeMs }: SessionToken): string {
  return `1${backend}${endpoint}${Math.floor(madeMs / MS_PER_SECOND).toString(BASE)}`;
}

/** Undefined: not one of ours. */
export function readSessionToken(text: string): SessionToken | undefined {
  const match = TOKEN.exec(text);
  if (match === null) return undefined;
  const [, backend = "", endpoint = "", seconds = ""] = match;
  return { backend, endpoint, madeMs: Number.parseInt(seconds, BASE) * MS_PER_SECOND };
}

/** Of one rule only: rules do not share sessions, also when a client sends one rule's token to another. */
export function backendTag({ route, name, index }: RouteRule, { service, port, subset }: RouteTarget): string {
  return tag(`${route} ${name ?? index}|${service}:${port}|${subset?.name ?? ""}`, BACKEND_CHARACTERS);
}

/** A pod that comes back under its old name has another address, and knows nothing of the session. */
export function endpointTag({ key, address }: Candidate): string {
  return tag(`${key} ${address}`, ENDPOINT_CHARACTERS);
}

function tag(text: string, characters: number): string {
  return hash("sha256", text, "base64url").slice(0, characters);
}
