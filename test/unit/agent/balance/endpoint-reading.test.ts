import test from "ava";
import { Balancers } from "../../../../agent/balance/balancers.ts";
import type { PickRequest } from "../../../../agent/balance/pick-request.ts";
import { candidatesWithWeights } from "../../../support/candidates.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const EJECTION = { consecutiveFailures: 1, baseEjectionMs: 1_000, maxEjectionMs: 60_000, maxEjectionPercent: 50 };

test("endpoints of a Service are told as they are: of all its ports and subsets, and of no other Service", (t) => {
  const clock = new FakeClock();
  const balancers = new Balancers({ clock, random: () => 0 });
  const pick = (destination: string, more: Partial<PickRequest> = {}) =>
    balancers.pick({
      destination,
      candidates: CANDIDATES,
      algorithm: "round-robin",
      ejection: EJECTION,
      sourceAddress: "10.244.1.1",
      ...more,
    });
  const first = pick("shop/catalog:80");
  first?.connected(1);
  pick("shop/catalog:80")?.failed();
  pick("shop/catalog:80 shop/v2", { ofRequests: true });
  pick("shop/catalog-v2:80");
  clock.advance(100);
  const [a = "", b = ""] = CANDIDATES.map(({ key }) => key);
  const told = balancers.read("shop/catalog");
  t.deepEqual(
    told.map(({ destination, ofRequests, endpoint }) => [destination, ofRequests, endpoint]),
    [
      ["shop/catalog:80", false, a],
      ["shop/catalog:80", false, b],
      ["shop/catalog:80 shop/v2", true, a],
      ["shop/catalog:80 shop/v2", true, b],
    ],
  );
  const { key, address } = first?.candidate ?? {};
  const [used, out] = [told.find((each) => each.endpoint === key), told.find((each) => each.state !== "serving")];
  t.like(used, { address, state: "serving", inFlight: 1, weightNow: undefined, pausedForMs: undefined });
  t.is(out?.state, "ejected");
  t.true((out?.ejectedForMs ?? 0) > 0 && (out?.ejectedForMs ?? 0) <= 900, `${out?.ejectedForMs}`);
  t.deepEqual(balancers.read("shop/none"), []);
});

const CANDIDATES = candidatesWithWeights([100, 100]);
