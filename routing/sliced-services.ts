/**
 * The Services that have EndpointSlices, with what is behind each, kept up to date one Service at a time: a change of
 * one slice, or of a pod that a slice names, concerns the Services it belongs to and no other.
 */
import type { EndpointSliceDocument } from "../protocol/documents/document.ts";
import type { EndpointEntry } from "../protocol/table.ts";
import { addressesOfSlices, type AddressOwner, compileSlices, serviceOfSlice } from "./compile-slices.ts";
import type { ServicePart } from "./compile-services.ts";
import { sameValue } from "./same-value.ts";
import { SharedValues } from "./shared-values.ts";

/** What is different behind a Service after it was compiled anew. */
export interface EndpointsChange {
  /** Keys. */
  readonly removals: readonly string[];
  readonly upserts: readonly EndpointEntry[];
}

export interface SlicedServicesOptions {
  /** By key; those that are routed. */
  readonly services: ReadonlyMap<string, ServicePart>;
  readonly ownerOf: (address: string) => AddressOwner;
}

const NO_SLICES: ReadonlySet<EndpointSliceDocument> = new Set();

export class SlicedServices {
  readonly #options: SlicedServicesOptions;
  readonly #shared = new SharedValues();
  /** Keys of the Services of which a TrafficPolicy says which endpoints are preferred. */
  readonly #placed = new Set<string>();
  /** Also of Services that are not there (yet). */
  readonly #slices = new Map<string, Set<EndpointSliceDocument>>();
  readonly #endpoints = new Map<string, ReadonlyMap<string, EndpointEntry>>();
  readonly #addresses = new Map<string, ReadonlySet<string>>();
  /** Nearly always one: an array costs a quarter of a set. */
  readonly #servicesByAddress = new Map<string, readonly string[]>();

  constructor(options: SlicedServicesOptions) {
    this.#options = options;
  }

  /** There is no slice of it, and it has a selector. */
  isLeftToSelector(service: string): boolean {
    return !this.#slices.has(service) && this.#options.services.get(service)?.document.spec.selector !== undefined;
  }

  /** True: it was the other way, and the Service is to be compiled. */
  place(service: string, isPlaced: boolean): boolean {
    if (this.#placed.has(service) === isPlaced) return false;
    if (isPlaced) this.#placed.add(service);
    else this.#placed.delete(service);
    return true;
  }

  /** Gives the key of the slice's Service, which is to be compiled. */
  add(slice: EndpointSliceDocument): string | undefined {
    const service = serviceOfSlice(slice);
    if (service === undefined) return undefined;
    const slices = this.#slices.get(service);
    if (slices === undefined) this.#slices.set(service, new Set([slice]));
    else slices.add(slice);
    return service;
  }

  /** The same. */
  remove(slice: EndpointSliceDocument): string | undefined {
    const service = serviceOfSlice(slice);
    if (service === undefined) return undefined;
    const slices = this.#slices.get(service);
    slices?.delete(slice);
    if (slices?.size === 0) this.#slices.delete(service);
    return service;
  }

  /** Keys of the Services whose slices name the address. */
  servicesOf(address: string): readonly string[] {
    return this.#servicesByAddress.get(address) ?? [];
  }

  /** All that slices name. */
  addresses(): Iterable<string> {
    return this.#servicesByAddress.keys();
  }

  compileAll(): EndpointEntry[] {
    return [...this.#slices.keys()].flatMap((service) => this.compile(service).upserts);
  }

  /** What stayed the same stays the same object, and is not told. */
  compile(service: string): EndpointsChange {
    const { services, ownerOf } = this.#options;
    const document = services.get(service)?.document;
    const slices = (document === undefined ? undefined : this.#slices.get(service)) ?? NO_SLICES;
    this.#index(service, addressesOfSlices(slices));
    const before = this.#endpoints.get(service) ?? new Map<string, EndpointEntry>();
    const after = new Map<string, EndpointEntry>();
    const facts = { ownerOf, followsHints: !this.#placed.has(service), shared: this.#shared };
    const entries = document === undefined ? [] : compileSlices(document, slices, facts);
    const upserts: EndpointEntry[] = [];
    for (const entry of entries) {
      const known = before.get(entry.key);
      const isSame = sameValue(known, entry);
      if (!isSame) upserts.push(entry);
      after.set(entry.key, isSame && known !== undefined ? known : entry);
    }
    if (after.size === 0) this.#endpoints.delete(service);
    else this.#endpoints.set(service, after);
    return { upserts, removals: [...before.keys()].filter((key) => !after.has(key)) };
  }

  #index(service: string, addresses: ReadonlySet<string>): void {
    const known = this.#addresses.get(service) ?? new Set();
    for (const address of known.difference(addresses)) {
      const others = this.servicesOf(address).filter((one) => one !== service);
      if (others.length === 0) this.#servicesByAddress.delete(address);
      else this.#servicesByAddress.set(address, others);
    }
    for (const address of addresses.difference(known)) {
      this.#servicesByAddress.set(address, [...this.servicesOf(address), service]);
    }
    if (addresses.size === 0) this.#addresses.delete(service);
    else this.#addresses.set(service, addresses);
  }
}
