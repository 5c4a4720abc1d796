/**
 * Tells people in the cluster what is wrong with an object they wrote: Events (core/v1), as `kubectl describe` shows them.
 *
 *   record --> waiting, one per object and reason (the newest wins) --leader? rate?--> create --409--> patch its count
 *                       \-- older than eventAgeMs, or too many: not told; the status and the log have it all the same
 *
 * Never in the way of anything: recording is a note, writing happens on its own, a failure costs that Event.
 */
import { createHash } from "node:crypto";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { isKubeStatus, type KubeClient } from "../../kubernetes/kube-client.ts";
import { MessageRate } from "../message-rate.ts";
import { limits, type SourceLimitName, timers } from "./limits.ts";

export interface EventObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
}

export interface ObjectEvent {
  readonly about: EventObject;
  readonly type: "Normal" | "Warning";
  /** In CamelCase, for machines. */
  readonly reason: "DocumentsRefused" | "DocumentsAccepted" | "AnnotationIgnored";
  readonly message: string;
}

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, "create" | "patch">;
  readonly isLeader: () => boolean;
  readonly limitHit: (limit: SourceLimitName) => void;
  readonly clock: Clock;
  readonly log: Log;
}

interface WaitingEvent extends ObjectEvent {
  /** Of the Event object: the same for the same object and reason, so that it is counted instead of told again. */
  readonly name: string;
  readonly saidMs: number;
  readonly monotonicMs: number;
}

/** How often it is looked for Events that wait. */
const LOOK_MS = 500;

const COMPONENT = "hawser-controller";

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #rate: MessageRate;
  readonly #waiting = new Map<string, WaitingEvent>();
  /** Name of an Event -> how often it was told. */
  readonly #counts = new Map<string, number>();
  #timer: Timer | undefined;
  #isWriting = false;
  #isFailing = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#rate = new MessageRate(options.clock, limits.eventBurst, limits.eventsPerSecond);
  }

  start(): void {
    this.#timer ??= this.#options.clock.every(LOOK_MS, () => void this.#write());
  }

  close(): void {
    this.#timer?.cancel();
    this.#waiting.clear();
  }

  record(event: ObjectEvent): void {
    const { clock, limitHit } = this.#options;
    const name = eventName(event);
    if (!this.#waiting.has(name) && this.#waiting.size >= limits.waitingEvents) {
      limitHit("waitingEvents");
      return;
    }
    this.#waiting.set(name, { ...event, name, saidMs: clock.nowMs(), monotonicMs: clock.monotonicMs() });
  }

  /** As much as the rate allows, one after the other. */
  async #write(): Promise<void> {
    this.#forgetOld();
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      for (const [name, event] of this.#waiting) {
        if (!this.#options.isLeader() || !this.#rate.take()) return;
        this.#waiting.delete(name);
        await this.#writeOne(event);
      }
    } finally {
      this.#isWriting = false;
    }
  }

  #forgetOld(): void {
    const oldestMs = this.#options.clock.monotonicMs() - timers.eventAgeMs;
    for (const [name, event] of this.#waiting) if (event.monotonicMs < oldestMs) this.#waiting.delete(name);
  }

  async #writeOne(event: WaitingEvent): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#createOrCount(event);
      this.#isFailing = false;
    } catch (error) {
      const facts = { event: "event-not-written", reason: event.reason, error: describeError(error) };
      if (!this.#isFailing) log.warn(facts, "Cannot write an Event, may the controller create and patch events");
      this.#isFailing = true;
    }
  }

  async #createOrCount(event: WaitingEvent): Promise<void> {
    const { client } = this.#options;
    const path = `/api/v1/namespaces/${namespaceOf(event)}/events`;
    const count = (this.#counts.get(event.name) ?? 0) + 1;
    this.#remember(event.name, count);
    if (count === 1 && (await this.#create(path, event))) return;
    const change = { count: Math.max(2, count), lastTimestamp: timeOf(event), message: messageOf(event) };
    try {
      await client.patch(`${path}/${event.name}`, "application/merge-patch+json", change);
    } catch (error) {
      // Events live for an hour.
      if (!isKubeStatus(error, 404)) throw error;
      this.#remember(event.name, 1);
      await this.#create(path, event);
    }
  }

  /** False: it is there already, from before this process. */
  async #create(path: string, event: WaitingEvent): Promise<boolean> {
    try {
      await this.#options.client.create(path, eventBody(event));
      return true;
    } catch (error) {
      if (isKubeStatus(error, 409)) return false;
      throw error;
    }
  }

  #remember(name: string, count: number): void {
    if (!this.#counts.has(name) && this.#counts.size >= limits.knownEvents) this.#counts.clear();
    this.#counts.set(name, count);
  }
}

function eventBody(event: WaitingEvent): object {
  const { apiVersion, kind, name, namespace, uid } = event.about;
  const time = timeOf(event);
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: event.name, namespace: namespaceOf(event) },
    involvedObject: { apiVersion, kind, name, namespace, uid },
    type: event.type,
    reason: event.reason,
    message: messageOf(event),
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    count: 1,
    firstTimestamp: time,
    lastTimestamp: time,
  };
}

function eventName({ about, reason }: ObjectEvent): string {
  const key = [about.kind, about.namespace, about.name, about.uid, reason].join("\n");
  const hash = createHash("sha256").update(key).digest("hex").slice(0, 16);
  // Names have at most 253 characters.
  return `${about.name.slice(0, 200)}.${hash}`;
}

/** Events about objects without a namespace live in `default` (core/v1 validation). */
function namespaceOf({ about }: ObjectEvent): string {
  return about.namespace ?? "default";
}

function messageOf({ message }: ObjectEvent): string {
  const most = limits.eventMessageCharacters;
  return message.length > most ? `${message.slice(0, most - 1)}…` : message;
}

/** metav1.Time has no fractions of seconds. */
function timeOf({ saidMs }: WaitingEvent): string {
  return `${new Date(saidMs).toISOString().slice(0, 19)}Z`;
}
