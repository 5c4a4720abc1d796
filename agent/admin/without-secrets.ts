/**
 * A JSON value with everything that looks like a secret taken out. The net under `config_dump`, whose parts are built
 * without secrets in the first place.
 */

/** Names of fields that hold keys, tokens and the like, in any case style. */
const SECRET_NAME = /(^|[._-])(token|secret|password)s?$|(Token|Secret|Password)s?$|private_?key|key_?pem/i;

/** PEM of any private key: PKCS#8, SEC 1, PKCS#1, encrypted or not. */
const SECRET_TEXT = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/;

const REDACTED = "(secret)";

/** Maps and sets become objects and arrays. Cycles are the caller's mistake and throw. */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === "string") return SECRET_TEXT.test(value) ? REDACTED : value;
  if (typeof value !== "object" || value === null) return value;
  // Bytes are never configuration; they may be keys.
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`;
  if (value instanceof Map) return withoutSecrets(Object.fromEntries(value));
  if (value instanceof Set || Array.isArray(value)) return [...value].map((item) => withoutSecrets(item));
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, SECRET_NAME.test(name) ? REDACTED : withoutSecrets(field)]),
  );
}
