/** Answers of ours, as their client understands them. */
import { grpcStatusOf } from "./grpc/grpc-status.ts";
import { writeGrpcAnswer } from "./grpc/write-grpc-answer.ts";
import { type OwnAnswer, type WholeAnswer, writeOwnAnswer } from "./own-answer.ts";

export interface ToldAnswer {
  readonly whole: WholeAnswer;
  /** Undefined: the client is told by HTTP's status. */
  readonly grpcStatus: number | undefined;
}

/** `grpcStatus`: where that of HTTP does not say enough. An answer that is no failure (a redirect) is the same for all. */
export function tellAnswer(answer: OwnAnswer, isGrpc: boolean, grpcStatus: number | undefined): ToldAnswer {
  const { status, reason, text } = answer;
  if (!isGrpc || text === "") return { whole: writeOwnAnswer(answer), grpcStatus: undefined };
  const told = grpcStatus ?? grpcStatusOf(status, reason);
  return { whole: writeGrpcAnswer(answer, told), grpcStatus: told };
}
