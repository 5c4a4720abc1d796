/** Layers of the HTTP data plane without anything below: the test says what comes of each request. */
import { Fields } from "../../agent/http/fields.ts";
import type { ForwardPlan } from "../../agent/http/forward-plan.ts";
import type { HttpPlane } from "../../agent/http/http-plane.ts";
import type { CarrierOptions, CarrierOwner, RequestCarrier, TryReport } from "../../agent/http/request-carrier.ts";
import type { RequestHead } from "../../agent/http/request-head.ts";
import { RequestMemory } from "../../agent/http/request-memory.ts";
import type { RequestRouter } from "../../agent/http/request-router.ts";
import type { ResponseHead } from "../../agent/http/response-head.ts";
import type { RouteRule } from "../../protocol/route-table.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import { TableState } from "../../routing/table-state.ts";
import { testTable, testWorkload } from "./test-tables.ts";

export class FakeCarrier implements RequestCarrier {
  readonly options: CarrierOptions;
  heldBytes = 0;
  /** In order: `start`, `body abc`, `end`, `pause`, `resume`, `drop` or `outrun`. */
  readonly calls: string[] = [];

  constructor(options: CarrierOptions) {
    this.options = options;
  }

  get owner(): CarrierOwner {
    return this.options.owner;
  }

  get isDropped(): boolean {
    return this.calls.includes("drop") || this.calls.includes("outrun");
  }

  start(): void {
    this.calls.push("start");
  }

  requestBody(content: Buffer): void {
    this.calls.push(`body ${content.toString()}`);
  }

  requestEnd(): void {
    this.calls.push("end");
  }

  pauseAnswer(): void {
    this.calls.push("pause");
  }

  resumeAnswer(): void {
    this.calls.push("resume");
  }

  drop(isOutrun = false): void {
    this.calls.push(isOutrun ? "outrun" : "drop");
  }

  handOver(): undefined {
    return undefined;
  }

  answer(status = 200, fields: Readonly<Record<string, string>> = {}, length?: number): void {
    this.owner.onAnswer(responseHead(status, fields, length));
  }

  /** The whole of a short answer. */
  answerWhole(body: string): void {
    this.answer();
    this.owner.onBody(Buffer.from(body));
    this.owner.onAnswerEnd(undefined);
  }
}

/** What an exchange is told, in order: `200`, `body abc`, `end`, `given up reset`, `cut short`. */
export class RecordingOwner implements CarrierOwner {
  readonly told: string[] = [];
  heads: ResponseHead[] = [];
  /** Called on every part of a body: to pause, as a client that does not read makes it. */
  onPart: (() => void) | undefined;

  onInterim(head: ResponseHead): void {
    this.told.push(`interim ${head.status}`);
  }

  onAnswer(head: ResponseHead): void {
    this.heads.push(head);
    this.told.push(String(head.status));
  }

  onBody(content: Buffer): void {
    this.told.push(`body ${content.length > 20 ? content.length : content.toString()}`);
    this.onPart?.();
  }

  onAnswerEnd(): void {
    this.told.push("end");
  }

  onGivenUp(reason: string): void {
    this.told.push(`given up ${reason}`);
  }

  onCutShort(): void {
    this.told.push("cut short");
  }

  pauseRequest(): void {
    this.told.push("pause");
  }

  resumeRequest(): void {
    this.told.push("resume");
  }
}

export class RecordingReport implements TryReport {
  failure: string | undefined;
  note: string | undefined;
  tries = 0;
  readonly endpoints: string[] = [];
  answeredByKey: string | undefined;

  tried(candidate: Candidate): void {
    this.tries += 1;
    this.endpoints.push(candidate.key);
  }

  answeredBy(candidate: Candidate): void {
    this.answeredByKey = candidate.key;
  }
}

export function fieldsOf(fields: Readonly<Record<string, string>> = {}): Fields {
  const made = new Fields();
  for (const [name, value] of Object.entries(fields)) made.add(name, value);
  return made;
}

export function responseHead(
  status: number,
  fields: Readonly<Record<string, string>> = {},
  length?: number,
): ResponseHead {
  return { status, reason: undefined, fields: fieldsOf(fields), hasBody: true, length, upgrade: undefined };
}

export function requestHead(
  changes: Partial<Omit<RequestHead, "fields">> & { readonly fields?: Readonly<Record<string, string>> } = {},
): RequestHead {
  const { fields, ...rest } = changes;
  return {
    version: 1,
    method: "GET",
    scheme: "http",
    authority: "catalog",
    path: "/items",
    fields: fieldsOf(fields),
    hasBody: false,
    length: undefined,
    upgrade: undefined,
    expectsContinue: false,
    trailersWanted: false,
    ...rest,
  };
}

export interface CarriedRequest {
  readonly plane: Partial<HttpPlane>;
  readonly rule: Partial<RouteRule>;
  readonly head?: RequestHead;
  readonly plan?: Partial<ForwardPlan>;
  /** Service account of the asking pod. */
  readonly serviceAccount?: string;
}

/** A request to Service shop/catalog:80 under one rule. */
export function carried({ plane, rule, head = requestHead(), plan, serviceAccount = "client" }: CarriedRequest): {
  readonly options: CarrierOptions;
  readonly owner: RecordingOwner;
  readonly report: RecordingReport;
} {
  const owner = new RecordingOwner();
  const report = new RecordingReport();
  const workload = { ...testWorkload("shop/client"), serviceAccount };
  const service = { key: "shop/catalog", namespace: "shop", name: "catalog", clusterIps: [], ports: [] };
  const source = { workload, address: "10.244.1.2", port: 40_000, redirected: false };
  const table = new TableState(testTable({ workloads: [workload] }));
  const options: CarrierOptions = {
    plane: plane as HttpPlane,
    facts: {
      source,
      service,
      port: 80,
      dialled: "10.96.0.1:80",
      table,
      memory: new RequestMemory(source, service.key, table),
    },
    router: {} as RequestRouter,
    deadlineMs: undefined,
    plan: {
      target: { service: "shop/catalog", port: 80 },
      rule: { route: "shop/catalog", index: 0, backends: [], ...rule },
      endpoint: undefined,
      authority: head.authority,
      path: head.path,
      requestHeaders: [],
      responseHeaders: [],
      mirrors: [],
      ...plan,
    },
    head,
    report,
    owner,
  };
  return { options, owner, report };
}
