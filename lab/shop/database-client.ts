/**
 * A client of MariaDB, whose server speaks first: connects, waits for the greeting, logs in, quits. The latency is the
 * time from connecting to the whole greeting: what a proxy that waits for the client's first bytes would delay.
 */
import { connect } from "node:net";
import { HawserError, describeError } from "../../core/errors.ts";
import { runMysqlSession } from "./mysql-session.ts";
import { type ClientContext, runClient } from "./run-client.ts";

/** As for HTTP calls: longer than any healthy answer. */
const TIMEOUT_MS = 5000;

async function openSession({ host, port, settings, recorder, clock }: ClientContext): Promise<void> {
  const startMs = clock.monotonicMs();
  const socket = connect({ host, port, family: settings.ipFamily, autoSelectFamily: false, noDelay: true });
  socket.setTimeout(TIMEOUT_MS, () => {
    socket.destroy(new HawserError("call-timeout", `Nothing received for ${TIMEOUT_MS} ms`));
  });
  recorder.connection(socket);
  let greetedMs = startMs;
  try {
    await runMysqlSession(socket, settings.namespace, () => {
      greetedMs = clock.monotonicMs();
    });
    recorder.answered({ startMs, placement: "unknown" }, greetedMs);
  } catch (error) {
    recorder.failed({ startMs, placement: "unknown" }, describeError(error));
    socket.destroy();
  }
}

runClient(process.env, {
  host: "database",
  port: 3306,
  perSecond: 5,
  maxInFlight: 8,
  action: (context) => () => openSession(context),
});
