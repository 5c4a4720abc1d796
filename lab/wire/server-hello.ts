/**
 * What a TLS server chose, read from its ServerHello: the only part of a handshake that a bystander can read and that
 * says how the rest is protected (RFC 8446 section 4.1.3; key_share group X25519MLKEM768: draft-ietf-tls-ecdhe-mlkem).
 */

export interface NegotiatedTls {
  /** `TLSv1.3`, `TLSv1.2` ... or the number in hex. */
  readonly tlsVersion: string;
  /** Name of the group, `none` for a resumption without key exchange, `unknown` before TLS 1.3. */
  readonly keyExchange: string;
  readonly cipherSuite: string;
}

/** `malformed`: a ServerHello whose extensions or lengths make no sense. */
export type ServerHelloReading =
  | { readonly kind: "hello"; readonly negotiated: NegotiatedTls }
  | { readonly kind: "retry-request" | "malformed" };

const HANDSHAKE_SERVER_HELLO = 2;
const EXTENSION_SUPPORTED_VERSIONS = 43;
const EXTENSION_KEY_SHARE = 51;

// RFC 8446 section 4.1.3: SHA-256 of "HelloRetryRequest" in place of the random.
const RETRY_RANDOM = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";

const VERSIONS: Readonly<Record<number, string>> = {
  0x0301: "TLSv1.0",
  0x0302: "TLSv1.1",
  0x0303: "TLSv1.2",
  0x0304: "TLSv1.3",
};

// IANA "TLS Supported Groups".
const GROUPS: Readonly<Record<number, string>> = {
  0x0017: "secp256r1",
  0x0018: "secp384r1",
  0x0019: "secp521r1",
  0x001d: "X25519",
  0x001e: "X448",
  0x0200: "MLKEM512",
  0x0201: "MLKEM768",
  0x0202: "MLKEM1024",
  0x11eb: "SecP256r1MLKEM768",
  0x11ec: "X25519MLKEM768",
  0x11ed: "SecP384r1MLKEM1024",
};

// IANA "TLS Cipher Suites": those of TLS 1.3, by which everything here is expected to be protected.
const CIPHER_SUITES: Readonly<Record<number, string>> = {
  0x1301: "TLS_AES_128_GCM_SHA256",
  0x1302: "TLS_AES_256_GCM_SHA384",
  0x1303: "TLS_CHACHA20_POLY1305_SHA256",
};

/** Bytes of the whole handshake message that starts `bytes`, or undefined when it is not there yet. */
export function handshakeMessageBytes(bytes: Buffer): number | undefined {
  return bytes.length < 4 ? undefined : 4 + bytes.readUIntBE(1, 3);
}

/** `message` is a whole handshake message; undefined when it is of another type than ServerHello. */
export function readServerHello(message: Buffer): ServerHelloReading | undefined {
  if (message[0] !== HANDSHAKE_SERVER_HELLO) return undefined;
  // type 1, length 3, legacy version 2, random 32, session id 1+n, cipher suite 2, compression 1, extensions 2+n
  if (message.length < 4 + 2 + 32 + 1) return { kind: "malformed" };
  const afterSession = 39 + message.readUInt8(38);
  if (message.length < afterSession + 3) return { kind: "malformed" };
  if (message.toString("hex", 6, 38) === RETRY_RANDOM) return { kind: "retry-request" };
  const extensions = readExtensions(message.subarray(afterSession + 3));
  if (extensions === undefined) return { kind: "malformed" };
  const version = extensions.get(EXTENSION_SUPPORTED_VERSIONS)?.readUInt16BE(0) ?? message.readUInt16BE(4);
  const cipher = message.readUInt16BE(afterSession);
  const negotiated: NegotiatedTls = {
    tlsVersion: VERSIONS[version] ?? hex16(version),
    keyExchange: version >= 0x0304 ? keyExchangeOf(extensions.get(EXTENSION_KEY_SHARE)) : "unknown",
    cipherSuite: CIPHER_SUITES[cipher] ?? hex16(cipher),
  };
  return { kind: "hello", negotiated };
}

function keyExchangeOf(keyShare: Buffer | undefined): string {
  if (keyShare === undefined) return "none";
  const group = keyShare.readUInt16BE(0);
  return GROUPS[group] ?? hex16(group);
}

/** Undefined when lengths do not add up, or one of the two that are read is too short to be read. */
function readExtensions(bytes: Buffer): ReadonlyMap<number, Buffer> | undefined {
  const extensions = new Map<number, Buffer>();
  if (bytes.length === 0) return extensions;
  if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return undefined;
  const end = 2 + bytes.readUInt16BE(0);
  for (let offset = 2; offset < end; ) {
    if (end - offset < 4) return undefined;
    const type = bytes.readUInt16BE(offset);
    const bodyEnd = offset + 4 + bytes.readUInt16BE(offset + 2);
    if (bodyEnd > end) return undefined;
    const body = bytes.subarray(offset + 4, bodyEnd);
    if ((type === EXTENSION_SUPPORTED_VERSIONS || type === EXTENSION_KEY_SHARE) && body.length < 2) return undefined;
    extensions.set(type, body);
    offset = bodyEnd;
  }
  return extensions;
}

function hex16(value: number): string {
  return `0x${value.toString(16).padStart(4, "0")}`;
}
