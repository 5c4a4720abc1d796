/** What a request leaves behind: a count, its duration, and a log line. */
import type { RouteRule } from "../../protocol/route-table.ts";
import { formatHostPort } from "../../routing/address.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import { isRequestLogged, logRequest } from "../telemetry/request-log.ts";
import { describePeer } from "../worker/data-plane.ts";
import type { RequestHead } from "./request-head.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import type { TryReport } from "./request-carrier.ts";
import type { RequestReason } from "./request-failure.ts";
import { nameOf } from "./request-memory.ts";

export class RequestReport implements TryReport {
  rule: RouteRule | undefined;
  /** Key of a Service. */
  backend: string | undefined;
  status: number | undefined;
  /** What a gRPC client was told; undefined for other requests. */
  grpcStatus: number | undefined;
  failure: string | undefined;
  note: string | undefined;
  tries = 0;
  /** Of bodies. */
  bytesSent = 0;
  bytesReceived = 0;
  readonly #plane: HttpPlane;
  readonly #facts: HttpFacts;
  readonly #head: RequestHead;
  readonly #startedMs: number;
  #candidate: Candidate | undefined;

  constructor(plane: HttpPlane, facts: HttpFacts, head: RequestHead) {
    this.#plane = plane;
    this.#facts = facts;
    this.#head = head;
    this.#startedMs = plane.clock.monotonicMs();
  }

  tried(candidate: Candidate): void {
    this.tries += 1;
    this.#candidate = candidate;
  }

  answeredBy(candidate: Candidate): void {
    this.#candidate = candidate;
  }

  /** That was tried last, or has answered. */
  get endpoint(): Candidate | undefined {
    return this.#candidate;
  }

  /** Once. */
  conclude(reason: RequestReason, detail: string | undefined): void {
    const { clock, metrics, log } = this.#plane;
    const durationMs = clock.monotonicMs() - this.#startedMs;
    metrics.requests.add(
      this.#facts.memory.labels(this.rule, this.backend),
      this.status,
      reason,
      durationMs,
      this.grpcStatus,
    );
    if (isRequestLogged(log, reason)) this.#log(reason, detail, durationMs);
  }

  #log(reason: RequestReason, detail: string | undefined, durationMs: number): void {
    const { table, source, service, port } = this.#facts;
    const { method, path } = this.#head;
    const query = path.indexOf("?");
    const candidate = this.#candidate;
    logRequest(this.#plane.log, {
      source: describePeer(table, source.workload, formatHostPort(source.address, source.port)),
      service: service.key,
      port,
      method,
      path: query === -1 ? path : path.slice(0, query),
      route: nameOf(this.rule),
      backend: this.backend,
      endpoint: candidate === undefined ? undefined : formatHostPort(candidate.address, candidate.port),
      tries: this.tries,
      status: this.status,
      grpcStatus: this.grpcStatus,
      reason,
      detail: detail ?? this.note,
      bytesSent: this.bytesSent,
      bytesReceived: this.bytesReceived,
      durationMs,
    });
  }
}
