/** The static table of HPACK (RFC 7541 appendix A). Index 1 is the first entry. */
const PSEUDO_HEADERS = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
] as const;

/** The others are names only, but for accept-encoding. */
const NAMES = `accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow
  authorization cache-control content-disposition content-encoding content-language content-length content-location
  content-range content-type cookie date etag expect expires from host if-match if-modified-since if-none-match if-range
  if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range referer
  refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via
  www-authenticate`.split(/\s+/);

/** `isSecret`: whoever passes it on must not put it into a table either (RFC 7541 section 7.1.3). */
export type HeaderField = readonly [name: string, value: string, isSecret?: true];

export const STATIC_TABLE: readonly HeaderField[] = [
  ...PSEUDO_HEADERS,
  ...NAMES.map((name) => [name, name === "accept-encoding" ? "gzip, deflate" : ""] as const),
];
