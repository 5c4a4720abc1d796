/** The shop's page: asks the catalog for the items on it. */
import { systemClock } from "../../core/clock.ts";
import { DestinationRecorder } from "./destination-recorder.ts";
import { ServiceCaller } from "./service-caller.ts";
import { readShopSettings, readTarget, serviceKey } from "./shop-settings.ts";
import { listenPort, startShopServer } from "./shop-server.ts";
import { startStatsFile } from "./stats-file.ts";

const settings = readShopSettings(process.env);
const target = readTarget(process.env, { host: "catalog", port: 80 });
const recorder = new DestinationRecorder(serviceKey(target.host, settings.namespace), systemClock);
const catalog = new ServiceCaller({ ...target, settings, recorder, clock: systemClock });

startStatsFile(settings, [recorder], systemClock);
startShopServer(settings, listenPort(process.env), async (path) => {
  const items: unknown = JSON.parse((await catalog.get(`/items${path}`)).toString());
  return { page: path, pod: settings.pod, items };
});
