import test from "ava";
import { RequestIds } from "../../../../agent/http/request-ids.ts";

test("ids are UUIDs of version 4, and no two are the same", (t) => {
  const ids = new RequestIds();
  const seen = new Set<string>();
  for (let count = 0; count < 1_000; count += 1) {
    const id = ids.next();
    t.regex(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    seen.add(id);
  }
  t.is(seen.size, 1_000);
});
