/** A client of Redis: writes a value, reads it back, compares. One request = one SET and one GET, one after the other. */
import { HawserError, describeError } from "../../core/errors.ts";
import { RespConnection } from "./resp-connection.ts";
import { type ClientContext, runClient } from "./run-client.ts";

/** As for HTTP calls: longer than any healthy answer. */
const TIMEOUT_MS = 5000;
/** Then a new connection, so that new ones are made while the lab runs. */
const REQUESTS_PER_CONNECTION = 50;
/** Keys written over and over: the server does not grow. */
const KEYS = 100;

class CacheClient {
  readonly #context: ClientContext;
  #connection: RespConnection | undefined;
  #requests = 0;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  async request(): Promise<void> {
    const { clock, recorder, settings } = this.#context;
    const connection = this.#freshConnection();
    const startMs = clock.monotonicMs();
    const key = `${settings.pod}:${this.#requests % KEYS}`;
    const value = `value ${this.#requests} of ${settings.pod}`;
    try {
      await connection.command("SET", key, value);
      const found = await connection.command("GET", key);
      if (found !== value) throw new HawserError("wrong-value", `Read "${found}" instead of "${value}"`);
      recorder.answered({ startMs, placement: "unknown" });
    } catch (error) {
      recorder.failed({ startMs, placement: "unknown" }, describeError(error));
      connection.socket.destroy();
    }
  }

  #freshConnection(): RespConnection {
    const { host, port, recorder, settings } = this.#context;
    const worn = ++this.#requests % REQUESTS_PER_CONNECTION === 0;
    if (this.#connection !== undefined && !worn && !this.#connection.socket.destroyed) return this.#connection;
    this.#connection?.close();
    this.#connection = new RespConnection({ host, port, family: settings.ipFamily }, TIMEOUT_MS);
    recorder.connection(this.#connection.socket);
    return this.#connection;
  }
}

runClient(process.env, {
  host: "cache",
  port: 6379,
  perSecond: 20,
  // One after the other: a key is read back before it is written again, and the old connection is idle when replaced.
  maxInFlight: 1,
  action: (context) => {
    const client = new CacheClient(context);
    return () => client.request();
  },
});
