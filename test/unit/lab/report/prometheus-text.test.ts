import test from "ava";
import fc from "fast-check";
import { parsePrometheusText } from "../../../../lab/report/prometheus-text.ts";

test("parsePrometheusText reads names, labels and values", (t) => {
  const text =
    '# TYPE a_x counter\na_x{one="1",two="b\\"q\\"\\\\"} 7 1700000000\na_y 1e3\nb_z 4\na_h_bucket{le="+Inf"} +Inf\n';
  t.deepEqual(parsePrometheusText(text, "a_"), [
    { name: "a_x", labels: { one: "1", two: 'b"q"\\' }, value: 7 },
    { name: "a_y", labels: {}, value: 1000 },
    { name: "a_h_bucket", labels: { le: "+Inf" }, value: Number.POSITIVE_INFINITY },
  ]);
});

test("parsePrometheusText leaves out what it cannot read", (t) => {
  t.deepEqual(parsePrometheusText("a_\n a_x 1\na_x{", "a_"), []);
});

test("parsePrometheusText gives back any label value", (t) => {
  const property = fc.property(fc.string({ unit: "binary" }), (value) => {
    const escaped = value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
    t.is(parsePrometheusText(`a{l="${escaped}"} 1`, "a")[0]?.labels["l"], value);
  });
  fc.assert(property);
});
