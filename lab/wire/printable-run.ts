/**
 * Finds text in bytes: the first run of at least `minimumBytes` printable ASCII characters (tab, CR and LF count, since
 * the headers of text protocols are short lines).
 *
 * Any such run covers a position that is a multiple of `minimumBytes`, so only those are looked at first: a gigabyte
 * of ciphertext costs about one byte in twenty.
 */

/** Offset of the run's first byte, or -1. */
export function findPrintableRun(bytes: Uint8Array, minimumBytes: number): number {
  for (let probe = minimumBytes - 1; probe < bytes.length; ) {
    if (!isPrintable(bytes[probe])) {
      probe += minimumBytes;
      continue;
    }
    let start = probe;
    while (start > 0 && isPrintable(bytes[start - 1])) start--;
    let end = probe + 1;
    while (end < bytes.length && end - start < minimumBytes && isPrintable(bytes[end])) end++;
    if (end - start >= minimumBytes) return start;
    probe = end + minimumBytes;
  }
  return -1;
}

function isPrintable(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
