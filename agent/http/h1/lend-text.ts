/**
 * Text as bytes for who is through with them when it returns: in one buffer per thread that is used again for every head. A
 * buffer of its own for each costs as much as putting the text together.
 */

/** Nearly all heads; it holds nothing from one call to the next. */
const SHARED = Buffer.allocUnsafeSlow(16 * 1024);

/** Of Latin-1 characters. Valid until the next call. */
export function lendText(text: string): Buffer {
  if (text.length > SHARED.length) return Buffer.from(text, "latin1");
  return SHARED.subarray(0, SHARED.write(text, 0, "latin1"));
}
