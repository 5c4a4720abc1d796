/**
 * Takes secrets out of a line of the log, by the names of the fields that hold them, at any depth. Nothing of this kind is
 * ever logged on purpose; this is the net under the rope. Nearly every line only pays for being looked through, which is a
 * tenth of what it costs to have pino take paths out of every object.
 */
const SECRET_NAMES: ReadonlySet<string> = new Set(["keyPem", "token", "privateKey"]);
const SUSPICIOUS = /"(?:keyPem|token|privateKey)":/;
const REDACTED = "[Redacted]";

/** `line`: one JSON object, with its line's end. */
export function redactLine(line: string): string {
  if (!SUSPICIOUS.test(line)) return line;
  const parsed = JSON.parse(line) as unknown;
  return `${JSON.stringify(parsed, (name, value: unknown) => (SECRET_NAMES.has(name) ? REDACTED : value))}\n`;
}
