/** Where the bytes of messages go. False: wait before the next ones (these were taken all the same). */
export interface MessageTarget {
  /** Takes the buffer. */
  write(bytes: Buffer): boolean;
  /** Latin-1 characters, a byte each. */
  writeText(text: string): boolean;
  /** What comes in one turn leaves as one by itself. */
  readonly joins?: boolean;
}
