/**
 * The programs of one object file while they are in the kernel: speaks to loader/attach.c, whose end detaches them.
 *
 * The loader dies with this process (parent-death signal) and with its standard input, so that nothing stays attached
 * however a run ends.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { HawserError } from "../core/errors.ts";
import { LOADER, objectFile } from "./build-programs.ts";
import type { ProgramName } from "./build-programs.ts";

export class LoadedPrograms implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string, undefined>;

  private constructor(child: ChildProcess, answers: AsyncIterator<string, undefined>) {
    this.#child = child;
    this.#answers = answers;
  }

  static async load(name: ProgramName): Promise<LoadedPrograms> {
    const child = spawn(LOADER, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.on("error", () => {});
    const programs = new LoadedPrograms(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
    await programs.tell("load", objectFile(name));
    return programs;
  }

  /** One line to the loader; resolves with the value of its answer. */
  async tell(...line: readonly (string | number)[]): Promise<string> {
    this.#child.stdin?.write(`${line.join(" ")}\n`);
    const answer: IteratorResult<string, undefined> = await this.#answers.next();
    const [verdict, ...rest] = answer.value?.trim().split(" ") ?? ["ended"];
    if (verdict === "ok") return rest.join(" ");
    throw new HawserError("not-attached", `${line.join(" ")}: ${rest.join(" ") || "the loader ended"}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }
}

/** Numbers as the programs have them in memory: 32 bits each, in the byte order of every machine this runs on. */
export function words(...values: readonly number[]): string {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4);
  return bytes.toString("hex");
}

/** An IPv4 address in network byte order. */
export function addressWord(address: string): string {
  return Buffer.from(address.split(".").map(Number)).toString("hex");
}

/** A port in network byte order, in the low half of 32 bits (bpf_sock_addr). */
export function portWord(port: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(port);
  return bytes.toString("hex");
}

/** The sum of a counter over all processors, out of the hex text of its per-CPU values. */
export function sumOfCounters(hex: string): number {
  const bytes = Buffer.from(hex, "hex");
  let sum = 0;
  for (let offset = 0; offset + 8 <= bytes.length; offset += 8) sum += Number(bytes.readBigUInt64LE(offset));
  return sum;
}
