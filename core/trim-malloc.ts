/**
 * glibc's malloc keeps what was freed for the next one who asks, in an arena of each thread, also when the thread has ended:
 * what V8 compiled with and OpenSSL shook hands with. Only malloc_trim(3) gives back the pages that are free within.
 *
 * It locks one arena after the other: a millisecond or two in all, with 20 MB to give.
 */
import koffi from "koffi";

/** Throws when libc has no malloc_trim. True if pages were given back. */
export function trimMalloc(): boolean {
  const trim = koffi.load("libc.so.6").func("int malloc_trim(size_t)");
  return trim(0) === 1;
}
