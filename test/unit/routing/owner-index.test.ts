import test from "ava";
import fc from "fast-check";
import { OwnerIndex } from "../../../routing/owner-index.ts";

test("the answer depends on who claims a key, not on the order of claims", (t) => {
  const step = fc.tuple(fc.constantFrom("k1", "k2"), fc.constantFrom("a", "b", "c"), fc.boolean());
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const index = new OwnerIndex();
      const claims = new Map<string, Set<string>>();
      for (const [key, owner, add] of steps) {
        const owners = claims.get(key) ?? new Set();
        claims.set(key, owners);
        if (add) index.add(key, owner);
        else index.remove(key, owner);
        if (add) owners.add(owner);
        else owners.delete(owner);
      }
      for (const [key, owners] of claims) t.is(index.get(key), [...owners].sort()[0]);
    }),
  );
});
