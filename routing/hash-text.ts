/**
 * A hash that every agent computes alike, to choose endpoints and users by values. Not for hash tables that an attacker fills: it is neither
 * keyed nor collision resistant.
 */

/** FNV-1a over UTF-16 units, 32 bits (draft-eastlake-fnv, section 6: offset basis and prime). */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return mix(hash);
}

/** One hash out of two, in [0, 2^32). */
export function combineHashes(a: number, b: number): number {
  return mix(mix(a) + b);
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit, which FNV alone does not do. */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
