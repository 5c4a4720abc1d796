/**
 * resourceVersions are numbers in text, and may be compared within one resource (API concepts, "Resource versions";
 * KEP-5504). Anything else in their place is only compared for being the same.
 */
const DECIMAL = /^(0|[1-9][0-9]*)$/;

/** Whether `version` is known already once `known` is. */
export function isNotNewer(version: string, known: string): boolean {
  if (version === known) return true;
  if (!DECIMAL.test(version) || !DECIMAL.test(known)) return false;
  // As text, because they have 64 bits: the longer one is larger, and of equal length the later one.
  return version.length === known.length ? version < known : version.length < known.length;
}
