/** How long a server wants to be left alone (RFC 9110 section 10.2.3): seconds, or a date. */

/** The form that servers must write (section 5.6.7); the obsolete ones are no reason to guess at. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
/** More digits than a hundred years have seconds. */
const SECONDS = /^\d{1,10}$/;
const MS_PER_SECOND = 1_000;

/** In milliseconds from `nowMs` (wall clock). Undefined: nothing that can be understood, or nothing that is to come. */
export function parseRetryAfter(value: string, nowMs: number): number | undefined {
  const text = value.trim();
  const ms = SECONDS.test(text)
    ? Number(text) * MS_PER_SECOND
    : (HTTP_DATE.test(text) ? Date.parse(text) : Number.NaN) - nowMs;
  return ms > 0 ? ms : undefined;
}
