/**
 * Program run in a pod: makes gRPC calls of grpc-echo.ts's service over one channel, one after the other, and prints as JSON
 * what came of each. Usage: `node grpc-calls.ts <host:port> '<GrpcCall[] as JSON>'`.
 */
import {
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  type status,
  type StatusObject,
} from "@grpc/grpc-js";
import { createEchoClient, type EchoAnswer, type EchoRequest } from "./grpc-echo.ts";

export interface GrpcCall {
  readonly method: "unary" | "collect" | "repeat" | "chat";
  readonly request: EchoRequest;
  /** Messages of a client that streams; default 1. */
  readonly messages?: number;
  readonly deadlineMs?: number;
  /** Cancel after so many answers. */
  readonly cancelAfter?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** The same call so often; default 1. */
  readonly times?: number;
}

export interface GrpcOutcome {
  readonly code: status;
  readonly details: string;
  readonly answers: readonly EchoAnswer[];
  /** Metadata before the answers. */
  readonly leading: Readonly<Record<string, unknown>>;
  readonly trailing: Readonly<Record<string, unknown>>;
  /** `grpc-status-details-bin`. */
  readonly binary: string | undefined;
}

const [, , target = "", calls = "[]"] = process.argv;
const client = createEchoClient(target, credentials.createInsecure());
const outcomes: GrpcOutcome[] = [];
for (const call of JSON.parse(calls) as readonly GrpcCall[]) {
  for (let count = 0; count < (call.times ?? 1); count += 1) outcomes.push(await outcomeOf(call));
}
client.close();
process.stdout.write(JSON.stringify(outcomes));

async function outcomeOf({ method, request, messages = 1, deadlineMs, cancelAfter, metadata = {} }: GrpcCall) {
  const sent = Metadata.fromHttp2Headers(metadata);
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  return await new Promise<GrpcOutcome>((resolve) => {
    const answers: EchoAnswer[] = [];
    let leading: GrpcOutcome["leading"] = {};
    const keep = (first: Metadata): void => {
      leading = first.getMap();
    };
    const over = ({ code, details, metadata: trailing }: StatusObject | ServiceError): void => {
      const binary = trailing.get("grpc-status-details-bin")[0]?.toString();
      resolve({ code, details, answers, leading, trailing: trailing.getMap(), binary });
    };
    if (method === "unary" || method === "collect") {
      const done = (_error: ServiceError | null, answer?: EchoAnswer): void => {
        if (answer !== undefined) answers.push(answer);
      };
      if (method === "unary") client.unary(request, sent, options, done).on("metadata", keep).on("status", over);
      else {
        const call = client.collect(sent, done);
        call.on("status", over);
        for (let count = 0; count < messages; count += 1) call.write({ ...request, text: `${request.text}${count}` });
        call.end();
      }
      return;
    }
    const answered = (call: ClientReadableStream<EchoAnswer>, then: (count: number) => void): void => {
      call.on("error", () => {});
      call.on("status", over);
      call.on("data", (answer: EchoAnswer) => {
        answers.push(answer);
        if (answers.length === cancelAfter) call.cancel();
        else then(answers.length);
      });
    };
    if (method === "repeat") {
      answered(client.repeat(request, sent, options), () => {});
      return;
    }
    const chat = client.chat(sent, options);
    chat.write(request);
    answered(chat, (count) => (count < messages ? chat.write(request) : chat.end()));
  });
}
