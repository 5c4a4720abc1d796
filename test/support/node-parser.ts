/**
 * Node's own HTTP/1.1 parser (llhttp), strict as `node:http` has it by default (`insecureHTTPParser: false`): what ours is
 * compared with. `_http_common` is where Node keeps it; it has no public name.
 */
import { createRequire } from "node:module";

export interface NodeMessage {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  /** Name, value, name, value, ... as written; trailers at the end. */
  readonly fields: string[];
  body: Buffer;
  isComplete: boolean;
}

interface RawParser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenientFlags: number): void;
  execute(bytes: Buffer): number | Error;
  finish(): Error | undefined;
  close(): void;
  [callback: number]: (...args: never[]) => unknown;
}

interface HttpCommon {
  readonly methods: readonly string[];
  readonly HTTPParser: {
    new (): RawParser;
    readonly REQUEST: number;
    readonly RESPONSE: number;
    readonly kLenientNone: number;
    readonly kOnHeaders: number;
    readonly kOnHeadersComplete: number;
    readonly kOnBody: number;
    readonly kOnMessageComplete: number;
  };
}

const { HTTPParser, methods } = createRequire(import.meta.url)("node:_http_common") as HttpCommon;

/** Larger than our own bound, so that size is never what it refuses. */
const MAX_HEADER_BYTES = 256 * 1024;

export const NODE_METHODS: ReadonlySet<string> = new Set(methods);

/** Every message that it passes on, whole or in part, before the first error. */
export function parseWithNode(kind: "request" | "response", bytes: Buffer): NodeMessage[] {
  const messages: NodeMessage[] = [];
  let early: string[] = [];
  let earlyUrl = "";
  const parser = new HTTPParser();
  const type = kind === "request" ? HTTPParser.REQUEST : HTTPParser.RESPONSE;
  parser.initialize(type, {}, MAX_HEADER_BYTES, HTTPParser.kLenientNone);
  // Fields beyond the 32nd, and trailers, come by another callback; once it was used, everything does.
  parser[HTTPParser.kOnHeaders] = (fields: string[], url: string) => {
    const last = messages.at(-1);
    if (last === undefined || last.isComplete) {
      early.push(...fields);
      earlyUrl += url;
    } else last.fields.push(...fields);
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    fields: string[] | undefined,
    method: number,
    url: string | undefined,
    status: number,
  ) => {
    const all = [...early, ...(fields ?? [])];
    messages.push({
      method: methods[method] ?? "",
      url: url ?? earlyUrl,
      status,
      fields: all,
      body: Buffer.alloc(0),
      isComplete: false,
    });
    early = [];
    earlyUrl = "";
    return 0;
  };
  parser[HTTPParser.kOnBody] = (content: Buffer) => {
    const last = messages.at(-1);
    if (last !== undefined) last.body = Buffer.concat([last.body, content]);
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    const last = messages.at(-1);
    if (last !== undefined) last.isComplete = true;
  };
  parser.execute(bytes);
  parser.close();
  return messages;
}
