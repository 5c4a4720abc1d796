/** Who a client is to the API server, and how it knows that it speaks to the right one. */
import type { Agent } from "node:http";
import type { ConnectionOptions } from "node:tls";

/** For one request. Equal `tls` share connections. */
export interface Credentials {
  readonly tls: Pick<ConnectionOptions, "ca" | "cert" | "key" | "passphrase" | "servername" | "rejectUnauthorized">;
  readonly headers: Readonly<Record<string, string>>;
  /** For a cluster behind a proxy: connections are made by this one. */
  readonly agent?: Agent;
}

export interface CredentialSource {
  readonly server: URL;
  /** Rejects with HawserError when there are none. */
  current(): Promise<Credentials>;
  /** The API server did not take them: the next ones are read anew. */
  forget(): void;
}
