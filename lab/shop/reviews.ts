/** The shop's reviews: version v1 has only words, v2 has stars too (environment VERSION). */
import { readShopSettings } from "./shop-settings.ts";
import { listenPort, startShopServer } from "./shop-server.ts";

const REVIEWS = [
  { reviewer: "ada", text: "Held a tanker through three gales", stars: 5 },
  { reviewer: "grace", text: "Heavier than it looks, but it does not chafe", stars: 4 },
] as const;

const settings = readShopSettings(process.env);
const version = process.env["VERSION"] ?? "v1";
const reviews = version === "v1" ? REVIEWS.map(({ reviewer, text }) => ({ reviewer, text })) : REVIEWS;

startShopServer(settings, listenPort(process.env), (path) => ({ pod: settings.pod, version, path, reviews }));
