import test from "ava";
import fc from "fast-check";
import { hasPrefix, normalizePath, normalizePrefix } from "../../../../routing/http/request-path.ts";

test("a path is brought to its normal spelling", (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ["/a/b", "/a/b"],
    ["/", "/"],
    ["", ""],
    ["*", "*"],
    ["example.com:443", "example.com:443"],
    ["/%61%2d%7E", "/a-~"],
    ["/%c3%a9", "/%C3%A9"],
    ["/a%2fb%2Fc", "/a%2Fb%2Fc"],
    ["/a%zz%4", "/a%zz%4"],
    ["/a%00b", "/a%00b"],
    ["/a/./b/../c", "/a/c"],
    ["/a/..", "/"],
    ["/a/b/.", "/a/b/"],
    ["/../../a", "/a"],
    ["/a/%2e%2E/b", "/b"],
    ["/.hidden/..a/a..", "/.hidden/..a/a.."],
    ["/a//b", "/a//b"],
    ["/a//../b", "/a/b"],
    ["/a/%252e%252e/b", "/a/%252e%252e/b"],
    ["/x\\..\\admin", "/x%5C..%5Cadmin"],
    ["/x%5c..%5Cadmin", "/x%5C..%5Cadmin"],
  ];
  for (const [path, expected] of cases) t.is(normalizePath(path), expected, path);
});

test("the normal spelling of a normal spelling is itself", (t) => {
  const part = fc.constantFrom("/", ".", "..", "a", "%2e", "%2F", "%c3", "%", "é", "//", "\\");
  const property = fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
    const once = normalizePath(`/${parts.join("")}`);
    t.is(normalizePath(once), once);
    t.false(/\/\.\.?(\/|$)/.test(once), once);
    // What reads paths as browsers do finds nothing more to change in it, after a first segment that is not empty.
    t.is(
      new URL(`/a${once}`, "http://a").pathname.toLowerCase(),
      encodeURI(`/a${once}`).replaceAll("%25", "%").toLowerCase(),
    );
  });
  fc.assert(property, { numRuns: 2_000 });
});

test("prefixes are whole segments, and a slash at their end says nothing", (t) => {
  const holds = (path: string, prefix: string) => hasPrefix(path, normalizePrefix(prefix));
  for (const path of ["/abc", "/abc/", "/abc/def"]) for (const prefix of ["/abc", "/abc/"]) t.true(holds(path, prefix));
  t.false(holds("/abcd", "/abc"));
  t.false(holds("/ab", "/abc"));
  t.false(holds("/Abc", "/abc"));
  for (const path of ["/", "/a", "*", ""]) t.true(holds(path, "/"));
});
