import test from "ava";
import fc from "fast-check";
import { findPrintableRun } from "../../../../lab/wire/printable-run.ts";

/** The obvious way, byte by byte. */
function slowly(bytes: Uint8Array, minimum: number): boolean {
  let run = 0;
  for (const byte of bytes) {
    run = (byte >= 0x20 && byte < 0x7f) || [9, 10, 13].includes(byte) ? run + 1 : 0;
    if (run >= minimum) return true;
  }
  return false;
}

test("findPrintableRun agrees with looking at every byte", (t) => {
  const mostlyText = fc.array(fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 32, max: 126 }) }, fc.nat(255)), {
    maxLength: 200,
  });
  const property = fc.property(mostlyText, fc.integer({ min: 1, max: 40 }), (list, minimum) => {
    const bytes = Uint8Array.from(list);
    t.is(findPrintableRun(bytes, minimum) !== -1, slowly(bytes, minimum));
  });
  fc.assert(property, { numRuns: 1000 });
});

test("findPrintableRun gives where the text starts", (t) => {
  const bytes = Buffer.concat([Buffer.alloc(50), Buffer.from("GET /reviews HTTP/1.1\r\nhost: reviews\r\n")]);
  t.is(findPrintableRun(bytes, 32), 50);
});

test("findPrintableRun gives -1 for text one byte too short", (t) => {
  t.is(findPrintableRun(Buffer.from("a".repeat(31)), 32), -1);
  t.is(findPrintableRun(new Uint8Array(0), 32), -1);
});
