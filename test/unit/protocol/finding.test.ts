import test from "ava";
import { checkExitCode, failed, ok, renderFindings, warning } from "../../../protocol/finding.ts";

const findings = [
  ok("kernel", "6.18"),
  warning("rp_filter", "odd", "look at it"),
  failed("ipset", "the kernel has no hash:net", "load it"),
];

test("a line each, what to do below, and a count", (t) => {
  t.is(
    renderFindings(findings),
    [
      "ok       kernel     6.18",
      "warning  rp_filter  odd",
      "                    -> look at it",
      "failed   ipset      the kernel has no hash:net",
      "                    -> load it",
      "",
      "1 ok, 1 warnings, 1 failed",
    ].join("\n"),
  );
});

test("only what has failed makes a check fail", (t) => {
  t.is(checkExitCode(findings), 1);
  t.is(checkExitCode(findings.slice(0, 2)), 0);
});
