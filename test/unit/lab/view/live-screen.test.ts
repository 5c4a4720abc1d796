import { EventEmitter } from "node:events";
import test from "ava";
import { fitLines, LiveScreen, type Terminal } from "../../../../lab/view/live-screen.ts";

class FakeTerminal extends EventEmitter {
  columns = 20;
  rows = 5;
  written: string[] = [];

  write(text: string): boolean {
    this.written.push(text);
    return true;
  }
}

function screenOn(fake: FakeTerminal): LiveScreen {
  return new LiveScreen(fake as unknown as Terminal);
}

test("LiveScreen draws in place, each frame in one write", (t) => {
  const fake = new FakeTerminal();
  const screen = screenOn(fake);
  screen.show(["one"]);
  screen.show(["two", "three"]);
  t.is(fake.written.length, 3);
  t.is(fake.written[2], "\x1b[Htwo\x1b[K\r\nthree\x1b[K\r\n\x1b[J");
});

test("LiveScreen draws anew for another size, until it ends", (t) => {
  const fake = new FakeTerminal();
  const screen = screenOn(fake);
  screen.show(["a long line of text"]);
  fake.columns = 6;
  fake.emit("resize");
  t.true(fake.written.at(-1)?.includes("a long\x1b[K"));
  screen[Symbol.dispose]();
  t.is(fake.listenerCount("resize"), 0);
  t.true(fake.written.at(-1)?.includes("\x1b[?25h"));
});

test("LiveScreen that never showed anything leaves the terminal alone", (t) => {
  const fake = new FakeTerminal();
  screenOn(fake)[Symbol.dispose]();
  t.deepEqual(fake.written, []);
});

test("fitLines cuts to the size and says how much is missing", (t) => {
  t.deepEqual(fitLines(["1", "2", "3"], 80, 3), ["1", "2", "3"]);
  t.deepEqual(fitLines(["1", "2", "3", "4"], 9, 3), ["1", "2", "... 2 mor"]);
});

test("fitLines lets no control character through", (t) => {
  t.deepEqual(fitLines(["a\x1b[2Jb\x07\u009bc"], 80, 5), ["a.[2Jb..c"]);
});
