/** Who has which address while a table is compiled: pods, nodes and Services share one space, and nobody shares an address. */
import type { Document } from "../protocol/documents/document.ts";
import { type CompileProblems, placeOfDocument } from "./compile-problems.ts";

export class AddressClaims {
  readonly #owners = new Map<string, { readonly name: string; readonly document: Document }>();

  #rivalries = 0;

  /** The first to claim an address has it. */
  claim(address: string, name: string, document: Document): boolean {
    if (this.#owners.has(address)) {
      this.#rivalries += 1;
      return false;
    }
    this.#owners.set(address, { name, document });
    return true;
  }

  /** Claims that came too late. While there is none, the order of claims does not matter. */
  get rivalries(): number {
    return this.#rivalries;
  }

  release(address: string): void {
    this.#owners.delete(address);
  }

  /** Says at `path` of the one who came too late who has the address. */
  report(problems: CompileProblems, address: string, document: Document, path: readonly (string | number)[]): void {
    const owner = this.#owners.get(address);
    const by = owner === undefined ? "another" : `${owner.name} (${placeOfDocument(owner.document)})`;
    const found = `address ${address} of ${by}`;
    problems.add(document, { code: "address-conflict", path, found, expected: "an address that nobody else has" });
  }
}
