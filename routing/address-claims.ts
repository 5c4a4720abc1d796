/**
 * Who has which address while a table is compiled: pods, nodes and Services share one space, and nobody shares an
 * address. Everybody says what they want; who has it is the same in whatever order they said so:
 *
 *   nodes  before  pods that live  before  pods that end  before  Services
 *                  (of two pods, the younger; of two alike, the first by name)
 */
import type { Document, PodDocument } from "../protocol/documents/document.ts";
import { normalizeAddress } from "./address.ts";
import { compareText } from "./compare-text.ts";
import { type CompileProblems, documentName, type Judgement, placeOfDocument } from "./compile-problems.ts";

/** An address that a document wants, normalized, and where the document says so. */
export interface WantedAddress {
  readonly address: string;
  readonly path: readonly (string | number)[];
}

/** Every address once, normalized. What is no address (a headless Service's "None") is left out. */
export function wantedAddresses(
  texts: readonly (readonly [text: string, path: WantedAddress["path"]])[],
): readonly WantedAddress[] {
  const wanted: WantedAddress[] = [];
  for (const [text, path] of texts) {
    const address = normalizeAddress(text);
    if (address !== undefined && !wanted.some((one) => one.address === address)) wanted.push({ address, path });
  }
  return wanted;
}

export class AddressClaims {
  readonly #judgement: Judgement;
  /** Nearly always one; of several, the first has the address. */
  readonly #claimants = new Map<string, Document | readonly Document[]>();

  constructor(judgement: Judgement) {
    this.#judgement = judgement;
  }

  add(document: Document, wanted: readonly WantedAddress[]): void {
    for (const { address } of wanted) {
      const present = this.#claimants.get(address);
      if (present === undefined) this.#claimants.set(address, document);
      else this.#claimants.set(address, [...asList(present), document].sort(byPrecedence));
    }
  }

  remove(document: Document, wanted: readonly WantedAddress[]): void {
    for (const { address } of wanted) {
      const others = asList(this.#claimants.get(address)).filter((one) => one !== document);
      const [only] = others;
      if (only === undefined) this.#claimants.delete(address);
      else this.#claimants.set(address, others.length === 1 ? only : others);
    }
  }

  owner(address: string): Document | undefined {
    const claimants = this.#claimants.get(address);
    return isList(claimants) ? claimants[0] : claimants;
  }

  /** Everybody who wants the address. */
  claimants(address: string): readonly Document[] {
    return asList(this.#claimants.get(address));
  }

  /** Those of the wanted addresses that the document has. Tells of the others whose they are, where that is a problem. */
  granted(document: Document, wanted: readonly WantedAddress[], problems: CompileProblems): string[] {
    const addresses: string[] = [];
    for (const { address, path } of wanted) {
      const owner = this.owner(address);
      if (owner === document) addresses.push(address);
      else if (owner !== undefined && this.#isProblem(document, owner))
        report(problems, document, path, address, owner);
    }
    return addresses;
  }

  /** A pod that ends gives its address to the next one. The documents of an API server arrive in any order. */
  #isProblem(loser: Document, owner: Document): boolean {
    if (loser.kind !== "Pod") return true;
    return loser.metadata.deletionTimestamp === undefined && (this.#judgement === "whole" || owner.kind !== "Pod");
  }
}

function report(
  problems: CompileProblems,
  document: Document,
  path: readonly (string | number)[],
  address: string,
  owner: Document,
): void {
  const found = `address ${address} of ${documentName(owner)} (${placeOfDocument(owner)})`;
  problems.add(document, { code: "address-conflict", path, found, expected: "an address that nobody else has" });
}

type Claimants = Document | readonly Document[];

function asList(claimants: Claimants | undefined): readonly Document[] {
  if (claimants === undefined) return [];
  return isList(claimants) ? claimants : [claimants];
}

function isList(claimants: Claimants | undefined): claimants is readonly Document[] {
  return Array.isArray(claimants);
}

function byPrecedence(a: Document, b: Document): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  const age = a.kind === "Pod" && b.kind === "Pod" ? createdMs(b) - createdMs(a) : 0;
  return age === 0 ? compareText(documentName(a), documentName(b)) : age;
}

function rankOf(document: Document): number {
  if (document.kind === "Node") return 0;
  if (document.kind !== "Pod") return 3;
  return document.metadata.deletionTimestamp === undefined ? 1 : 2;
}

/** A pod that was written by hand has no age: it is older than any that has one. */
function createdMs({ metadata }: PodDocument): number {
  return metadata.creationTimestamp === undefined ? 0 : Date.parse(metadata.creationTimestamp);
}
