/**
 * glibc's malloc keeps what was freed for the next one who asks, in an arena of each thread, also when the thread has ended:
 * what V8 compiled with and OpenSSL shook hands with. Only malloc_trim(3) gives back the pages that are free within.
 *
 * It locks one arena after the other: a millisecond or two in all, with 20 MB to give.
 */
import koffi from "koffi";

/** Gives a function that trims, true if pages were given back. It throws when libc has no malloc_trim. */
export function mallocTrimmer(): () => boolean {
  // Found once: koffi keeps some kilobytes for each time, for good.
  let trim: ((padBytes: number) => number) | undefined;
  return () => {
    trim ??= koffi.load("libc.so.6").func("int malloc_trim(size_t)");
    return trim(0) === 1;
  };
}
