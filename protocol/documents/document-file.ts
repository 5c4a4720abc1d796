/** Which files of a directory are documents: every `*.yaml` and `*.yml` that is not hidden. */
export function isDocumentFile(name: string): boolean {
  return /^[^.].*\.ya?ml$/.test(name);
}
