/** How documents are read as YAML: version 1.2's core schema whatever the text's directives say, so `no` is a text. */
export const YAML_OPTIONS = {
  version: "1.2",
  schema: "core",
  merge: false,
  resolveKnownTags: false,
  stringKeys: true,
  // Found by our own reader: the parser's check takes quadratic time.
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: "silent",
} as const;
