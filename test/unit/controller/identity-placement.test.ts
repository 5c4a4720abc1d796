import test from "ava";
import { IdentityPlacement } from "../../../controller/identity-placement.ts";
import { testMesh, testTable, testWorkload } from "../../support/test-tables.ts";

test("an identity is placed where a pod of the mesh has it, and nowhere else", (t) => {
  const placement = new IdentityPlacement(
    testTable({
      mesh: { ...testMesh, trustDomain: "example.org" },
      workloads: [
        testWorkload("shop/catalog-1", { serviceAccount: "catalog" }),
        testWorkload("shop/catalog-2", { serviceAccount: "catalog", node: "node-2", state: "draining" }),
        testWorkload("shop/outside-1", { serviceAccount: "outside", mesh: false }),
      ],
    }),
  );
  const catalog = "spiffe://example.org/ns/shop/sa/catalog";
  t.true(placement.isPlaced(catalog, "node-1"));
  t.true(placement.isPlaced(catalog, "node-2"));
  t.false(placement.isPlaced(catalog, "node-3"));
  t.false(placement.isPlaced("spiffe://example.org/ns/shop/sa/outside", "node-1"));
  t.false(placement.isPlaced("spiffe://cluster.local/ns/shop/sa/catalog", "node-1"));
});
