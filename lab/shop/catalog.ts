/** The shop's catalog: a few items, each with its reviews from another service. */
import { systemClock } from "../../core/clock.ts";
import { DestinationRecorder } from "./destination-recorder.ts";
import { ServiceCaller } from "./service-caller.ts";
import { readShopSettings, readTarget, serviceKey } from "./shop-settings.ts";
import { listenPort, startShopServer } from "./shop-server.ts";
import { startStatsFile } from "./stats-file.ts";

const ITEMS = [
  { id: 1, name: "hawser", description: "Thick rope for towing or mooring a ship" },
  { id: 2, name: "bollard", description: "Short post on a quay that a hawser is made fast to" },
  { id: 3, name: "fender", description: "Cushion between a ship's side and the quay" },
] as const;

const settings = readShopSettings(process.env);
const target = readTarget(process.env, { host: "reviews", port: 80 });
const recorder = new DestinationRecorder(serviceKey(target.host, settings.namespace), systemClock);
const reviews = new ServiceCaller({ ...target, settings, recorder, clock: systemClock });

let turn = 0;
startStatsFile(settings, [recorder], systemClock);
startShopServer(settings, listenPort(process.env), async () => {
  // One item's reviews per page: one call in gives one call out, so the rates of all flows are easy to compare.
  const chosen = ITEMS[turn++ % ITEMS.length] ?? ITEMS[0];
  const about: unknown = JSON.parse((await reviews.get(`/reviews/${chosen.id}`)).toString());
  return { pod: settings.pod, items: ITEMS, reviews: about };
});
