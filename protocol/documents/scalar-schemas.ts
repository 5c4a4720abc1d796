/**
 * The kinds of single values that documents are made of. The message of every check says what is expected, as a noun
 * phrase: schema-problems.ts puts it into "expected ..., found ...".
 */
import ipaddr from "ipaddr.js";
import { z } from "zod";
import { BYTE_SIZE_PATTERN, parseByteSize } from "./byte-size.ts";
import { DURATION_PATTERN, parseDurationMs } from "./duration.ts";

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/** RFC 1123 label: namespaces, Services, ports and containers. */
export const labelName = named(new RegExp(`^${LABEL}$`), 63, "a name of a-z, 0-9 and - with at most 63 characters");

/** RFC 1123 subdomain: pods, nodes, service accounts, documents. */
export const subdomainName = named(
  new RegExp(`^${LABEL}(\\.${LABEL})*$`),
  253,
  "a name of a-z, 0-9, - and . with at most 253 characters",
);

/** SPIFFE-ID section 2.1. */
export const trustDomain = named(
  /^[a-z0-9._-]+$/,
  255,
  "a trust domain of a-z, 0-9, -, _ and . with at most 255 characters",
);

export const portNumber = z
  .int({ error: "a port number from 1 to 65535" })
  .min(1, "a port number from 1 to 65535")
  .max(65535, "a port number from 1 to 65535");

const LABEL_VALUE = "a label value of at most 63 letters, digits, -, _ and .";
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_KEY_MESSAGE = "a label key such as app or example.com/app";

const labelValue = z
  .string({ error: LABEL_VALUE })
  .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, LABEL_VALUE);

export const labels = z.record(z.string().regex(LABEL_KEY, LABEL_KEY_MESSAGE), labelValue);

export const HOST_ADDRESS = "an IPv4 or IPv6 address of one host (not loopback, link-local, multicast or unspecified)";
const NO_HOST = new Set(["unspecified", "loopback", "linkLocal", "multicast", "broadcast"]);

/** The address of a pod, a node or a Service. */
export const hostAddress = z.string({ error: HOST_ADDRESS }).refine(isHostAddress, HOST_ADDRESS);

export function isHostAddress(text: string): boolean {
  return isAddress(text) && !NO_HOST.has(ipaddr.process(text).range());
}

const CIDR = "a CIDR such as 10.244.1.0/24 or fd00:1::/64";

export const cidr = z
  .string({ error: CIDR })
  .refine((text) => ipaddr.isValidCIDR(text) && isAddress(text.split("/", 1)[0] ?? ""), { error: CIDR, abort: true })
  .superRefine((text, context) => {
    const [address = "", length = ""] = text.split("/");
    const network = networkOf(text);
    if (network === ipaddr.parse(address).toString()) return;
    context.addIssue({ code: "custom", message: `${network}/${length}, without host bits` });
  });

/** Text in, milliseconds out. */
export const duration = z
  .string({ error: "a duration such as 10s, 1m30s or 250ms" })
  .regex(DURATION_PATTERN, "a duration such as 10s, 1m30s or 250ms")
  .transform((text) => parseDurationMs(text) ?? 0);

/** A duration that is more than nothing. */
export const positiveDuration = duration.refine((ms) => ms > 0, "a duration longer than 0s");

/** Text in, milliseconds out; the bounds are durations as one writes them, both allowed. */
export function durationBetween(least: string, most: string) {
  const expected = `a duration from ${least} to ${most}`;
  const [leastMs = 0, mostMs = 0] = [parseDurationMs(least), parseDurationMs(most)];
  return z
    .string({ error: expected })
    .regex(DURATION_PATTERN, { error: expected, abort: true })
    .transform((text) => parseDurationMs(text) ?? 0)
    .refine((ms) => ms >= leastMs && ms <= mostMs, expected);
}

/** Bytes, as a number or with a unit; the bounds are sizes as one writes them, both allowed. */
export function byteSizeBetween(least: string, most: string) {
  const expected = `a size from ${least} to ${most}, such as 10Ki`;
  const [leastBytes = 0, mostBytes = 0] = [parseByteSize(least), parseByteSize(most)];
  return z
    .union([z.int(), z.string({ error: expected }).regex(BYTE_SIZE_PATTERN, expected)], { error: expected })
    .transform((size) => (typeof size === "number" ? size : (parseByteSize(size) ?? 0)))
    .refine((bytes) => bytes >= leastBytes && bytes <= mostBytes, expected);
}

/** `a number of requests from 1 to 1000`. */
export function countOf(things: string, least: number, most: number): z.ZodInt {
  const expected = `a number of ${things} from ${least} to ${most}`;
  return z.int({ error: expected }).min(least, expected).max(most, expected);
}

const PERCENTAGE = "a percentage from 0 to 100";

/** With a fraction where one wants it. */
export const percentage = z.number({ error: PERCENTAGE }).min(0, PERCENTAGE).max(100, PERCENTAGE);

/** RFC 3339. */
export const time = z.iso.datetime({ offset: true, error: "a time such as 2026-01-31T12:00:00Z" });

function named(pattern: RegExp, maxLength: number, expected: string): z.ZodString {
  return z.string({ error: expected }).regex(pattern, expected).max(maxLength, expected);
}

/** Excludes the spellings of IPv4 that inet_aton takes and people misread: `010.1`, `0x7f.1`, `1`. */
function isAddress(text: string): boolean {
  if (text.includes("%")) return false;
  return text.includes(":") ? ipaddr.IPv6.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text);
}

function networkOf(text: string): string {
  return text.includes(":")
    ? ipaddr.IPv6.networkAddressFromCIDR(text).toString()
    : ipaddr.IPv4.networkAddressFromCIDR(text).toString();
}
