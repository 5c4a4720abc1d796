/** The head of an answer as its client gets it: as the rule changes it, with the session that begins with it. */
import type { Candidate } from "../../routing/decide-connection.ts";
import type { ForwardPlan } from "./forward-plan.ts";
import { outgoingResponse } from "./outgoing-heads.ts";
import type { ResponseHead } from "./response-head.ts";
import type { Sessions } from "./session/sessions.ts";

export interface AnsweredRequest {
  readonly plan: ForwardPlan;
  /** It is not what the request led to. */
  readonly isFallback: boolean;
  readonly sessions: Sessions;
  /** Which has answered. */
  readonly endpoint: Candidate | undefined;
}

/** Throws FieldError when a filter makes no field. */
export function answerToClient(response: ResponseHead, answered: AnsweredRequest): ResponseHead {
  const { plan, isFallback } = answered;
  const head = outgoingResponse(response, plan.responseHeaders);
  if (isFallback) head.fields.set("hawser-reason", "fallback");
  else if (plan.rule?.session !== undefined) beginSession(head, answered);
  return head;
}

/** A client that came to its session's endpoint knows it already. */
function beginSession({ fields }: ResponseHead, { plan, sessions, endpoint }: AnsweredRequest): void {
  if (plan.rule === undefined || endpoint === undefined) return;
  if (plan.endpoint !== undefined && isSameEndpoint(endpoint, plan.endpoint)) return;
  const field = sessions.begin(plan.rule, plan.target, endpoint);
  if (field !== undefined) fields.add(...field);
}

function isSameEndpoint(one: Candidate, other: Candidate): boolean {
  return one.key === other.key && one.address === other.address;
}
