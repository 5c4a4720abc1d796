/** The answer that a route gives without asking a backend. */
import type { HeaderField } from "../../protocol/route-table.ts";
import { changeHeaders } from "../../routing/http/change-headers.ts";
import type { RespondToRequest } from "../../routing/http/request-decision.ts";
import { Fields } from "./fields.ts";
import type { OwnAnswer } from "./own-answer.ts";

/** Throws FieldError when a filter makes no field. */
export function decidedAnswer({ code, status, headers, responseHeaders, reason }: RespondToRequest): OwnAnswer {
  const fields = fieldsOf(headers);
  changeHeaders(fields, responseHeaders, (value) => fields.add("set-cookie", value));
  const isFailure = code !== "redirect" && code !== "cors-preflight";
  return { status, reason: code, text: isFailure ? reason : "", fields };
}

export function fieldsOf(headers: readonly HeaderField[]): Fields {
  const fields = new Fields();
  for (const [name, value] of headers) fields.add(name, value);
  return fields;
}
