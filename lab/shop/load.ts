/** Users of a web page: open it at a steady rate. Plays the shop's customers, and the client of a plain nginx. */
import { runClient } from "./run-client.ts";
import { ServiceCaller } from "./service-caller.ts";

runClient(process.env, {
  host: "front-end",
  port: 80,
  perSecond: 50,
  maxInFlight: 64,
  action: (context) => {
    const page = new ServiceCaller(context);
    // Failures are in the stats already.
    return () => page.get("/").then(ignore, ignore);
  },
});

function ignore(): void {}
