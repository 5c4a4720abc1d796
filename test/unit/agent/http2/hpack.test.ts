/** HPACK: the examples of RFC 7541 appendix C, the rules that protect us, and our encoder against our decoder. */
import test from "ava";
import fc from "fast-check";
import { FrameBuffer } from "../../../../agent/http2/frame-buffer.ts";
import { HpackDecoder } from "../../../../agent/http2/hpack-decoder.ts";
import { HpackEncoder, StaticIndex } from "../../../../agent/http2/hpack-encoder.ts";
import { STATIC_TABLE } from "../../../../agent/http2/hpack-static-table.ts";
import { huffmanDecode } from "../../../../agent/http2/huffman-decode.ts";
import { http2Limits } from "../../../../agent/http2/limits.ts";
import { WireReader } from "../../../support/wire-frames.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const decodeAll = (decoder: HpackDecoder, blocks: readonly string[]) => blocks.map((each) => decoder.decode(hex(each)));

const REQUESTS = [
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ],
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
    ["cache-control", "no-cache"],
  ],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];

const RESPONSES = [
  [
    [":status", "302"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "307"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
    ["location", "https://www.example.com"],
    ["content-encoding", "gzip"],
    ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
  ],
];

test("the static table is that of appendix A", (t) => {
  t.is(STATIC_TABLE.length, 61);
  t.deepEqual(STATIC_TABLE[0], [":authority", ""]);
  t.deepEqual(STATIC_TABLE[15], ["accept-encoding", "gzip, deflate"]);
  t.deepEqual(STATIC_TABLE[60], ["www-authenticate", ""]);
});

test("decodes the representations of appendix C.2", (t) => {
  const decoder = new HpackDecoder(http2Limits);
  const blocks = [
    "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
    "040c 2f73 616d 706c 652f 7061 7468",
    "1008 7061 7373 776f 7264 0673 6563 7265 74",
    "82",
  ];
  t.deepEqual(decodeAll(decoder, blocks), [
    [["custom-key", "custom-header"]],
    [[":path", "/sample/path"]],
    [["password", "secret", true]],
    [[":method", "GET"]],
  ]);
});

test("decodes the requests of appendix C.3, without Huffman coding", (t) => {
  const blocks = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
  ];
  t.deepEqual(decodeAll(new HpackDecoder(http2Limits), blocks), REQUESTS);
});

test("decodes the requests of appendix C.4, with Huffman coding", (t) => {
  const blocks = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
  ];
  t.deepEqual(decodeAll(new HpackDecoder(http2Limits), blocks), REQUESTS);
});

test("decodes the responses of appendix C.5, where the table of 256 bytes evicts", (t) => {
  const blocks = [
    "3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120" +
      "474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "4803 3330 37c1 c0bf",
    "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f" +
      "6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630" +
      "303b 2076 6572 7369 6f6e 3d31",
  ];
  t.deepEqual(decodeAll(new HpackDecoder(http2Limits), blocks), RESPONSES);
});

test("decodes the responses of appendix C.6, with Huffman coding and eviction", (t) => {
  const blocks = [
    "3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718" +
      "63c7 8f0b 97c8 e9ae 82ae 43d3",
    "4883 640e ffc1 c0bf",
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335" +
      "dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
  ];
  t.deepEqual(decodeAll(new HpackDecoder(http2Limits), blocks), RESPONSES);
});

const INVALID: Readonly<Record<string, string>> = {
  "index 0": "80",
  "an index beyond the tables": "be",
  "a literal whose name is beyond the tables": "7f00 00",
  "a block that ends within a string": "0003 6162",
  "a block that ends within an integer": "ff80",
  "an integer that does not end": "ff80 8080 8080 8000",
  "a string longer than any block": "007f ffff ffff ff",
  "a table larger than agreed": "3fe2 1f",
  "a change of the table's size within a block": "8220",
  "more changes of the table's size than there can be": "2020 20",
  "Huffman padding of zeros": "0081 3881 00",
  "Huffman padding of a whole byte": "0081 3f82 3fff",
  "Huffman end of string": "0084 ffff ffff 0161",
};

for (const [what, block] of Object.entries(INVALID)) {
  test(`refuses ${what}`, (t) => {
    t.throws(() => new HpackDecoder(http2Limits).decode(hex(block)), { code: "compression-error" });
  });
}

test("a table of size 0 keeps nothing, and an entry that does not fit empties it", (t) => {
  const decoder = new HpackDecoder(http2Limits);
  decoder.decode(hex("20 4001 6101 62"));
  t.throws(() => decoder.decode(hex("be")), { code: "compression-error" });
  const other = new HpackDecoder(http2Limits);
  t.deepEqual(other.decode(hex("4001 6101 62 be")), [
    ["a", "b"],
    ["a", "b"],
  ]);
  // Two changes of size at once: the first evicts.
  t.throws(() => other.decode(hex("20 3fe1 1f be")), { code: "compression-error" });
});

test("says when a list is too large, and goes on decoding", (t) => {
  const decoder = new HpackDecoder(http2Limits);
  decoder.decode(Buffer.concat([hex("4001 617f 8105"), Buffer.alloc(768, "x")]));
  // A few bytes that stand for many: each 0xbe is the whole entry again.
  const bomb = Buffer.alloc(Math.ceil(http2Limits.headerListBytes / 800) + 1, 0xbe);
  t.is(decoder.decode(bomb), undefined);
  t.is(decoder.decode(hex("be"))?.length, 1);
});

test("random bytes are decoded or refused, never anything else", (t) => {
  const decoder = new HpackDecoder(http2Limits);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decoder.decode(Buffer.from(bytes));
      } catch (error) {
        t.is((error as { code?: string }).code, "compression-error");
      }
    }),
    { numRuns: 2_000 },
  );
  t.pass();
});

test("Huffman: every symbol of one byte is decoded from its own code only", (t) => {
  // Codes of 5 to 8 bits, padded with ones: all 256 bytes are either one or two symbols, or invalid padding.
  t.is(huffmanDecode(hex("1f"), 0, 1), "a");
  t.is(huffmanDecode(hex("07"), 0, 1), "0");
  t.is(huffmanDecode(Buffer.alloc(0), 0, 0), "");
  t.is(huffmanDecode(hex("ff"), 0, 1), undefined);
});

test("what our encoder writes, our decoder reads", (t) => {
  const name = fc.oneof(
    fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
    fc.constantFrom(...STATIC_TABLE.map(([each]) => each)),
  );
  const value = fc.string({
    maxLength: 400,
    unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
  });
  const [encoder, decoder] = [new HpackEncoder(http2Limits), new HpackDecoder(http2Limits)];
  const fields = fc.array(fc.tuple(name, value), { maxLength: 8 });
  const frameBytes = fc.integer({ min: 50, max: 20_000 });
  fc.assert(
    fc.property(fields, value, fc.boolean(), frameBytes, (list, authority, endStream, maxFrameBytes) => {
      const out = new FrameBuffer(http2Limits.idleBufferBytes);
      encoder.begin(out, 5);
      encoder.indexed(StaticIndex.get);
      encoder.named(StaticIndex.authority, authority);
      for (const [at, [key, text]] of list.entries()) encoder.field(key, text, at % 2 === 1);
      encoder.end(endStream, maxFrameBytes);
      const frames = new WireReader().push(Buffer.from(out.written));
      t.true(frames.every(({ payload, streamId }) => payload.length <= maxFrameBytes && streamId === 5));
      t.deepEqual(
        frames.map(({ type, flags }) => [type, flags & 4]),
        frames.map((_, index) => [index === 0 ? 1 : 9, index === frames.length - 1 ? 4 : 0]),
      );
      t.is(frames[0]?.flags ?? 0, (endStream ? 1 : 0) | (frames.length === 1 ? 4 : 0));
      const block = Buffer.concat(frames.map(({ payload }) => payload));
      t.deepEqual(decoder.decode(block), [
        [":method", "GET"],
        [":authority", authority],
        ...list.map((field, at) => (at % 2 === 1 ? [...field, true] : field)),
      ]);
    }),
  );
});
