// The small parts: words, numbers, records, folders, other tabs, and how uploads are watched.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Memory, answer, load, until } from "./support.mjs";

const { size, limit, duration, percent, shown, Speed } = await load("format.js");
const { Records, Token } = await load("records.js");
const { fromDrop, fromInput } = await load("files.js");
const { Tabs } = await load("tabs.js");
const { Watch } = await load("watch.js");
const { Item } = await load("item.js");
const { stateOf, wholeOf } = await load("words.js");
const { Aborted, Refused, Unreachable } = await load("http.js");

test("numbers and times are as people read them", () => {
  assert.deepEqual([0, 999, 1023, 1024, 12.3 * 1048576, 1048575, 2 ** 40].map(size),
    ["0 bytes", "999 bytes", "1023 bytes", "1.0 KiB", "12.3 MiB", "1.0 MiB", "1.0 TiB"]);
  assert.deepEqual([2000 * 1048576, 64 * 1048576, 1000].map(limit), ["2000 MiB", "64 MiB", "1000 bytes"]);
  assert.deepEqual([0.2, 59, 60, 61, 3600, 7500, 400000].map(duration), ["1 s", "59 s", "1 min", "2 min", "1 h", "2 h 5 min", "5 days"]);
  assert.deepEqual([[0, 0], [999, 1000], [1000, 1000], [1, 1000]].map(([part, whole]) => percent(part, whole)), [0, 99, 100, 0]);
});

test("a name that misleads is shown with escapes", () => {
  assert.equal(shown("invoice_\u202efdp\u200b.exe\n"), "invoice_\\u{202e}fdp\\u{200b}.exe\\u{a}");
  assert.equal(shown("naïve ☂ 文.txt"), "naïve ☂ 文.txt");
});

test("the rate is of the last seconds, and of nothing that was there before", () => {
  const speed = new Speed(8);
  assert.equal(speed.at(0), 0);
  for (let second = 0; second <= 20; second++) speed.mark(second * 100, second);
  assert.equal(Math.round(speed.at(20)), 100);
  speed.mark(0, 21);
  assert.equal(speed.at(21), 0);
  speed.mark(500, 22);
  assert.equal(speed.at(22), 500);
  assert.ok(speed.at(32) < 60, "it fades when nothing moves");
});

test("records are of this worker, and go when they are old", () => {
  const storage = new Memory();
  let now = 0;
  const records = new Records("/a/", storage, () => now);
  const other = new Records("/b/", storage, () => now);
  const about = { name: "x", path: "", size: 1, mtime: 2 };
  assert.notEqual(records.key(about), other.key(about));
  records.put(records.key(about), { name: "x", size: 1, state: "sent" });
  storage.setItem(records.key({ ...about, size: 3 }), "no JSON");
  storage.setItem("somebody else's", "1");
  assert.deepEqual([records.all().length, other.all().length, storage.length], [1, 0, 2]);
  now = 25 * 3600 * 1000;
  assert.deepEqual([records.all().length, storage.getItem("somebody else's")], [0, "1"]);
});

test("storage that is forbidden costs the memory, and nothing else", () => {
  const records = new Records("/", null);
  records.put("key", {});
  records.delete("key");
  assert.deepEqual(records.all(), []);
  const token = new Token("/", null, null);
  token.set("secret", true);
  assert.equal(token.value, "secret");
  token.forget();
  assert.equal(token.value, "");
});

test("the token is in the tab, or in the browser if that is wanted", () => {
  const [brief, long] = [new Memory(), new Memory()];
  const token = new Token("/", brief, long);
  token.set("secret", false);
  assert.deepEqual([brief.length, long.length, new Token("/", brief, long).value], [1, 0, "secret"]);
  token.set("secret", true);
  assert.deepEqual([brief.length, long.length, new Token("/", new Memory(), long).value], [0, 1, "secret"]);
  token.forget();
  assert.deepEqual([brief.length, long.length], [0, 0]);
});

test("a link that is no address of a page is none", () => {
  const link = (url) => {
    const item = new Item({ key: "k", name: "n", path: "", size: 1 });
    item.arrived({ url });
    return item.url;
  };
  assert.deepEqual(["https://t.me/c/1/2", "javascript:alert(1)", "data:text/html,x", 7].map(link), ["https://t.me/c/1/2", null, null, null]);
});

const entry = (name, content) => ({ isDirectory: false, fullPath: `/${name}`, file: (done, failed) => (content ? done(content) : failed()) });
function folder(name, entries) {
  return { isDirectory: true, fullPath: `/${name}`, createReader: () => {
    // As browsers do: some at a time.
    const left = [...entries];
    return { readEntries: (done) => done(left.splice(0, 2)) };
  } };
}

test("a drop holds files and folders, all that is in them", async () => {
  const make = (name) => new File(["x"], name);
  const top = folder("dir", [
    entry("dir/b10", make("b10")), entry("dir/b9", make("b9")), entry("dir/.DS_Store", make(".DS_Store")), entry("dir/lost", null),
    folder("dir/sub", [entry("dir/sub/c", make("c"))]),
  ]);
  const item = (given) => ({ kind: "file", webkitGetAsEntry: () => given });
  const found = await fromDrop({ items: [item(top), item(entry("single", make("single"))), { kind: "string" }], files: [] });
  assert.deepEqual(found.files.map(({ path, file }) => path || file.name), ["single", "dir/b9", "dir/b10", "dir/sub/c"]);
  assert.deepEqual([found.leftOut, found.unreadable], [1, 1]);
  const chosen = fromInput([Object.assign(make("a"), { webkitRelativePath: "d/a" }), make(".DS_Store")]);
  assert.deepEqual(chosen.files.map(({ path }) => path), ["", "d/a"], "one that is chosen by itself is meant");
});

test("tabs tell each other what they send", async () => {
  const open = [];
  class Channel extends BroadcastChannel {
    constructor(name) {
      super(name);
      open.push(this);
    }
  }
  const [a, b] = [new Tabs(() => ["x", "y"], Channel), new Tabs(() => ["z"], Channel)];
  assert.deepEqual(await b.others(), new Set(["x", "y"]));
  assert.deepEqual(await a.others(), new Set(["z"]));
  assert.deepEqual(await new Tabs(() => [], null).others(), new Set());
  for (const channel of open) channel.close();
});

// A watch over uploads whose states are given by id.
function watched(states) {
  const heard = [];
  let most = 0;
  const asks = async (id, wait, etag, signal) => {
    most = Math.max(most, (busy += 1));
    await new Promise(setImmediate);
    busy -= 1;
    if (signal.aborted) throw new Aborted();
    const next = states[id].length > 1 ? states[id].shift() : states[id][0];
    if (next instanceof Error) throw next;
    if (typeof next === "number") throw new Refused(answer(next, {}, { error: "words" }));
    return answer(200, { ETag: "e" }, { status: next, stage: "sending" });
  };
  let busy = 0;
  const watch = new Watch(asks, {
    state: (id, state) => heard.push(`${id} ${state.status}`), gone: (id) => heard.push(`${id} gone`),
    away: (id) => heard.push(`${id} away`), token: (words) => heard.push(`token ${words}`),
  });
  return { watch, heard, most: () => most };
}

test("any number of uploads is watched by two requests at a time", async () => {
  const ids = Array.from({ length: 20 }, (_, index) => `u${index}`);
  const { watch, heard, most } = watched(Object.fromEntries(ids.map((id) => [id, ["uploading", "completed"]])));
  for (const id of ids) watch.add(id);
  await until("all", () => heard.filter((line) => line.endsWith("completed")).length === 20);
  assert.equal(most(), 2);
});

test("a worker that is away is asked again, one that knows nothing is not, and a bad token stops it all", async () => {
  const { watch, heard } = watched({ a: [new Unreachable(), 503, "completed"], b: [404], c: [401, "completed"] });
  watch.add("a");
  await until("the end", () => heard.includes("a completed"));
  assert.deepEqual(heard, ["a away", "a away", "a completed"]);
  watch.add("b");
  watch.add("c");
  await until("the token", () => heard.includes("token words"));
  assert.ok(heard.includes("b gone") && !heard.includes("c completed"), `${heard}`);
  watch.start();
  await until("the rest", () => heard.includes("c completed"));
});

test("each state has its words", () => {
  const item = new Item({ key: "k", name: "n", path: "", size: 1000 });
  const said = (state, more = {}) => stateOf(Object.assign(item, { state, ...more }), 100);
  assert.deepEqual(said("waiting"), ["Waiting", 0]);
  assert.deepEqual(said("uploading", { id: "1", there: 450 }), ["To the worker · 45 %", 45]);
  assert.deepEqual(said("uploading", { retry: { words: "It is away.", at: 103.2 } }), ["It is away. Trying again in 4 s.", 45]);
  assert.deepEqual(said("sending", { telegram: null }), ["To Telegram · waiting for its turn", 0]);
  const sending = { stage: "sending", bytesSent: 250, bytesTotal: 1000, attempt: 2, retryAt: 160 };
  assert.deepEqual(said("sending", { telegram: sending }), ["To Telegram · 25 % · attempt 2 · goes on in 1 min", 25]);
  assert.deepEqual(said("sending", { telegram: { ...sending, away: true } })[1], 25);
  assert.deepEqual(said("sent", { messageId: 5 }), ["In the channel as message 5", 100]);
  assert.deepEqual(said("failed", { error: "No." }), ["No.", 0]);
  const all = { files: 3, sent: 1, bytes: 10, there: 10, failed: 0, sending: 2, receiving: 0, waiting: 0, missing: 0 };
  assert.match(wholeOf(all, new Speed(), 0).note, /may be closed/);
});
