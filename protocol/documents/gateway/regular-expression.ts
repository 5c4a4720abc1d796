/** What is wrong with a regular expression in a route: RE2 syntax, so without back references and look-around. */
import { RE2JS, RE2JSException } from "re2js";
import { MAX_EXPRESSION_SIZE } from "./limits.ts";

/** What is expected instead; undefined when it is fine. */
export function expressionFault(pattern: string): string | undefined {
  try {
    const size = RE2JS.compile(pattern).programSize();
    return size <= MAX_EXPRESSION_SIZE ? undefined : "a smaller regular expression, this one repeats too much";
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return `a regular expression in the syntax of RE2 (${error.message.replace("error parsing regexp: ", "")})`;
  }
}
