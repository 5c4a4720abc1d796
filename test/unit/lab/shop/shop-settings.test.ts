import test from "ava";
import { readPositiveNumber, readShopSettings, readTarget, serviceKey } from "../../../../lab/shop/shop-settings.ts";

test("serviceKey takes every form of a service's name", (t) => {
  t.is(serviceKey("catalog", "shop"), "shop/catalog");
  t.is(serviceKey("catalog.store", "shop"), "store/catalog");
  t.is(serviceKey("catalog.store.svc.cluster.local", "shop"), "store/catalog");
});

test("readPositiveNumber refuses what is not a number above 0", (t) => {
  t.is(readPositiveNumber({}, "RATE", 50), 50);
  t.is(readPositiveNumber({ RATE: "7.5" }, "RATE", 50), 7.5);
  for (const text of ["", "-1", "0", "fast", "Infinity"]) {
    t.throws(() => readPositiveNumber({ RATE: text }, "RATE", 50), { message: /RATE must be a number above 0/ });
  }
});

test("readShopSettings and readTarget work without any environment", (t) => {
  t.like(readShopSettings({}), { namespace: "default", statsFile: undefined, ipFamily: 0 });
  t.deepEqual(readTarget({ TARGET_PORT: "81" }, { host: "web", port: 80 }), { host: "web", port: 81 });
});
