/**
 * Fills in a peer's configuration: `{{name}}` is replaced, and what stands between the lines `#{{each service}}` and
 * `#{{end}}` is repeated for every service. A name that nobody gave is a mistake.
 */
import { HawserError } from "../../core/errors.ts";

export type TemplateValues = Readonly<Record<string, string | number>>;

const SECTION = /^#\{\{each service\}\}\n(.*?)^#\{\{end\}\}\n/gms;
const NAME = /\{\{(\w+)\}\}/g;

export function renderTemplate(text: string, values: TemplateValues, services: readonly TemplateValues[]): string {
  const repeated = text.replaceAll(SECTION, (_, body: string) =>
    services.map((service) => fill(body, { ...values, ...service })).join(""),
  );
  return fill(repeated, values);
}

function fill(text: string, values: TemplateValues): string {
  return text
    .split("\n")
    .map((line) => line.replaceAll(NAME, (_, name: string) => (isComment(line) ? name : valueOf(values, name))))
    .join("\n");
}

/** A header may speak about the placeholders. */
function isComment(line: string): boolean {
  return line.startsWith("#");
}

function valueOf(values: TemplateValues, name: string): string {
  const value = values[name];
  if (value === undefined) throw new HawserError("bad-template", `The template names {{${name}}}, which has no value`);
  return `${value}`;
}
