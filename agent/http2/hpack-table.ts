/** Static and dynamic table of HPACK in one index space (RFC 7541 section 2.3): the newest dynamic entry comes first. */
import { type HeaderField, STATIC_TABLE } from "./hpack-static-table.ts";

/** What an entry counts for beside its text (section 4.1). */
const ENTRY_OVERHEAD_BYTES = 32;

export class HpackTable {
  /** The newest is the last. */
  readonly #entries: HeaderField[] = [];
  #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  static bytesOf([name, value]: HeaderField): number {
    return name.length + value.length + ENTRY_OVERHEAD_BYTES;
  }

  get(index: number): HeaderField | undefined {
    if (index <= STATIC_TABLE.length) return STATIC_TABLE[index - 1];
    return this.#entries[this.#entries.length + STATIC_TABLE.length - index];
  }

  /** An entry that is larger than the table empties it (section 4.4). */
  add(field: HeaderField): void {
    this.#entries.push(field);
    this.#bytes += HpackTable.bytesOf(field);
    this.#evict();
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evict();
  }

  /** At most 128 entries fit into 4,096 bytes: moving them is cheap. */
  #evict(): void {
    let count = 0;
    while (this.#bytes > this.#maxBytes) {
      this.#bytes -= HpackTable.bytesOf(this.#entries[count] as HeaderField);
      count += 1;
    }
    if (count > 0) this.#entries.splice(0, count);
  }
}
