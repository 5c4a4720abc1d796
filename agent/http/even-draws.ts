/**
 * Draws that are spread more evenly than chance does it: any row of them, and every second or tenth of a row, fills [0, 1)
 * with hardly a gap. Of 10,000 requests, a backend with a weight of 10 % gets 1,000 give or take a few; by chance it would
 * be give or take a hundred.
 *
 * Each is the golden ratio after the one before (Weyl's sequence; no other step leaves smaller gaps). They can be foreseen:
 * for shares, not for secrets, and for one choice only (a second one out of the same row would follow from the first).
 */
const STEP = (Math.sqrt(5) - 1) / 2;

/** `start` in [0, 1): drawn by chance, or else all agents would begin with the same backend. */
export function evenDraws(start: number): () => number {
  let last = start;
  return () => {
    last = (last + STEP) % 1;
    return last;
  };
}
