// The list of the channel: what it asks for, what it shows, and what is done with a file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeWorker, load, until } from "./support.mjs";

const { Aborted } = await load("http.js");
const { Library } = await load("library.js");
const { Playing } = await load("playing.js");
const { Stored } = await load("stored.js");
const { TEXTS } = await load("texts.js");
const { Worker } = await load("worker.js");
const { libraryOf, storedOf } = await load("words.js");

// Pauses end when a test says so.
class Pauses {
  asked = [];

  pause = (seconds, signal) => new Promise((resolve, reject) => {
    this.asked.push({ seconds, resolve });
    signal?.addEventListener("abort", () => reject(new Aborted()));
  });

  end() {
    for (const { resolve } of this.asked.splice(0)) resolve();
  }
}

function page(worker = new FakeWorker(), root = "http://here/") {
  const heard = { said: [], tokens: [], saved: [], changes: 0 };
  const pauses = new Pauses();
  const authorization = () => ({ Authorization: `Bearer ${worker.shown ?? "good"}` });
  const library = new Library({ worker: new Worker(root, authorization, worker.ask), pause: pauses.pause }, {
    change: () => (heard.changes += 1),
    say: (words) => heard.said.push(words),
    token: (words) => heard.tokens.push(words),
    save: (address, name) => heard.saved.push({ address, name }),
  });
  const names = () => library.files.map(({ name }) => name);
  const idle = () => until("the list", () => !library.loading);
  return { worker, library, pauses, heard, names, idle };
}

// A page whose list is there, of files with these names, the oldest first.
async function listed(...files) {
  const all = page();
  all.worker.store(...files.map((fileName) => (typeof fileName === "string" ? { fileName } : fileName)));
  all.library.unlock();
  await all.idle();
  return all;
}

const queries = (worker) => worker.requests.filter(({ method, pathname }) => method === "GET" && pathname === "/files").length;

test("nothing is asked for without a token, and all is listed with one, the newest first", async () => {
  const { worker, library, names, idle } = page();
  worker.store({ fileName: "old" }, { fileName: "new" });
  await library.search("x", { now: true });
  await library.search("", { now: true });
  assert.deepEqual([worker.requests, library.locked], [[], true]);
  library.unlock();
  assert.equal(libraryOf(library), TEXTS.listing);
  await idle();
  assert.deepEqual(names(), ["new", "old"]);
  assert.equal(libraryOf(library), "2 files");
  library.clear();
  assert.deepEqual([names(), library.answered], [[], null]);
});

test("pages follow each other, and no file stands there twice", async () => {
  const { worker, library, heard, names } = await listed(...Array.from({ length: 120 }, (_, n) => `${n}`));
  assert.deepEqual([names().length, library.more, libraryOf(library)], [50, true, "The newest 50 files"]);
  worker.store({ fileName: "meanwhile" });
  await Promise.all([library.next(), library.next()]);
  assert.equal(names().length, 100, "one page at a time");
  await library.next();
  assert.deepEqual(names(), Array.from({ length: 120 }, (_, n) => `${119 - n}`));
  assert.deepEqual([library.more, heard.said.at(-1)], [false, TEXTS.moreShown(20, 120)]);
  await library.next();
  assert.equal(queries(worker), 3);
});

test("a search waits until no more is typed, and says what it found", async () => {
  const { worker, library, pauses, heard, names } = await listed("holiday", "work", "holidays");
  const before = queries(worker);
  const typed = ["h", "ho", " holi "].map((text) => library.search(text));
  pauses.end();
  await Promise.all(typed);
  assert.equal(queries(worker) - before, 1);
  assert.deepEqual([names(), library.answered], [["holidays", "holiday"], "holi"]);
  assert.equal(heard.said.at(-1), "2 files with “holi” in the name");
  await library.search("nothing", { now: true });
  assert.equal(heard.said.at(-1), "No file has “nothing” in its name.");
  await library.search("", { now: true });
  assert.equal(names().length, 3);
});

test("an answer that comes late does not stand in the place of the one that is wanted", async () => {
  const { worker, library, names, idle } = await listed("a", "b");
  const ask = worker.ask;
  let late;
  worker.ask = (...all) => ask(...all);
  library.worker.files = async ({ q }, signal) => {
    if (q === "a") await new Promise((resolve) => (late = resolve));
    const found = worker.files.filter(({ fileName }) => fileName.includes(q));
    assert.equal(signal.aborted, q === "a", "and it is stopped");
    return { files: found, cursor: null };
  };
  const first = library.search("a", { now: true });
  await library.search("b", { now: true });
  late();
  await first;
  await idle();
  assert.deepEqual([names(), library.answered, library.loading], [["b"], "b", false]);
});

test("files that come or go elsewhere are seen once somebody looks, and what was shown stays", async () => {
  const { worker, library, pauses, names } = await listed(...Array.from({ length: 120 }, (_, n) => `${n}`));
  await library.next();
  const kept = library.files[3];
  kept.problem = "words";
  worker.store({ fileName: "new" });
  worker.files = worker.files.filter(({ fileName }) => fileName !== "118");
  const before = queries(worker);
  const refreshed = library.refresh();
  library.refresh();
  pauses.end();
  await refreshed;
  assert.equal(queries(worker) - before, 1, "many news are one question");
  assert.deepEqual([names().length, ...names().slice(0, 3)], [100, "new", "119", "117"]);
  assert.equal(library.files[3], kept, "it is the same one");
  assert.equal(library.more, true);
  await library.next();
  assert.deepEqual(names().at(-1), "0");
  // So many new ones that nothing is known of what is between them and the others.
  worker.store(...Array.from({ length: 60 }, (_, n) => ({ fileName: `more ${n}` })));
  const again = library.refresh();
  pauses.end();
  await again;
  assert.deepEqual([names().length, names()[0], library.more], [50, "more 59", true]);
});

test("news that come while somebody types a search are those of the list that is there", async () => {
  const { worker, library, pauses, names, heard } = await listed("a", "b");
  const typed = library.search("a");
  const [typing] = pauses.asked.splice(0);
  worker.store({ fileName: "new" });
  const news = library.refresh();
  pauses.end();
  await news;
  assert.deepEqual([names(), library.answered], [["new", "b", "a"], ""]);
  typing.resolve();
  await typed;
  assert.deepEqual([names(), heard.said.at(-1)], [["a"], "1 file with “a” in the name"]);
});

test("a list that fails says why, and comes when it is tried again", async () => {
  const { worker, library, names, idle } = page();
  worker.store({ fileName: "a" });
  for (const [fault, words] of [
    [{}, /does not answer/],
    [{ status: 503, headers: { "Retry-After": "90" }, body: { error: "the worker is stopping" } }, /^The worker is stopping. Try again in 2 min.$/],
    [{ status: 400, body: { error: "Telegram is not set up" } }, /^Telegram is not set up.$/],
    [{ status: 502, body: "<html>" }, /a proxy whose worker is away \(status 502\)/],
    [{ status: 500, body: { error: "the data directory failed" } }, /Try again in a moment/],
  ]) {
    worker.faults = [{ method: "GET", at: "/files", ...fault }];
    if (library.locked) library.unlock();
    else library.hurry();
    await idle();
    assert.match(library.problem, words);
  }
  library.hurry();
  await idle();
  assert.deepEqual([names(), library.problem], [["a"], ""]);
  const before = queries(worker);
  library.hurry();
  assert.equal(queries(worker), before, "nothing is asked again that went well");
});

test("a token that is refused is asked for once, and the list stays out of the way until then", async () => {
  const { worker, library, heard, names, idle } = await listed("a");
  worker.shown = "old";
  await library.search("x", { now: true });
  assert.deepEqual([heard.tokens, library.locked], [["token is not valid"], true]);
  await library.download(library.files[0]);
  assert.equal(heard.tokens.length, 1);
  worker.shown = "good";
  library.query = "";
  library.unlock();
  await idle();
  assert.deepEqual([names(), library.locked], [["a"], false]);
});

test("a download is a link that the browser follows, at the address where the page is", async () => {
  const worker = new FakeWorker();
  worker.store({ fileName: "film.mkv", size: 256 * 1024 * 3600 });
  // The worker in memory has no path before its own.
  const ask = worker.ask;
  worker.ask = (method, url, options) => ask(method, url.replace("/some/where", ""), options);
  const { library, heard, idle } = page(worker, "https://here/some/where/");
  library.unlock();
  await idle();
  await library.download(library.files[0]);
  const [{ address, name }] = heard.saved;
  // An hour, and what it takes at 128 KiB a second.
  assert.deepEqual([address, name], ["https://here/some/where/files/f1/content?link=f1-1-10800", "film.mkv"]);
  assert.equal(heard.said.at(-1), TEXTS.saysDownloads("film.mkv"));
  assert.deepEqual(worker.requests.at(-1).headers, { Range: "bytes=0-0" }, "no token goes with it");
  assert.equal(await library.address(library.files[0]), "https://here/some/where/files/f1/content?link=f1-2-21600&inline=1");
});

test("a download that fails is told with what to do, and not begun", async () => {
  const { worker, library, heard } = await listed("a", "b");
  const [file] = library.files;
  for (const [fault, words] of [
    [{ status: 409, body: { error: "that needs a Telegram session" } }, /^The worker cannot read it back: That needs a Telegram session. Open it in Telegram/],
    [{ status: 410, body: { error: "its message was deleted" } }, /any more: Its message was deleted. Delete it here/],
    [{ status: 503, headers: { "Retry-After": "5" }, body: { error: "Telegram is not available: no answer" } }, /Try again in 5 s.$/],
    [{}, /does not answer/],
    [{ status: 403, body: { error: "the link is over" } }, /Try again/],
  ]) {
    worker.faults = [{ method: "GET", at: "/content", ...fault }];
    const running = library.download(file);
    assert.ok(file.busy);
    await library.download(file);
    await running;
    assert.deepEqual([file.busy, heard.saved.length], [false, 0]);
    assert.match(file.problem, words);
    assert.equal(heard.said.at(-1), TEXTS.saysFailed("b", file.problem));
  }
  await library.download(file);
  assert.deepEqual([file.problem, heard.saved.length], ["", 1]);
});

test("a deletion says what came of it, and a file that is gone already is gone", async () => {
  const { worker, library, heard, names } = await listed("a", "b", "c", "d");
  const [d, c, b] = library.files;
  worker.faults = [{ method: "DELETE", status: 409, body: { error: "nobody can see whether message 7 still is the file" } }];
  assert.equal(await library.delete(d, false), "Nobody can see whether message 7 still is the file. Nothing is deleted.");
  worker.faults = [{ method: "DELETE" }];
  assert.match(await library.delete(d, false), /does not answer/);
  assert.deepEqual(names(), ["d", "c", "b", "a"]);
  let seen;
  assert.equal(await library.delete(d, true, () => (seen = names().length)), "");
  assert.deepEqual([seen, names(), library.note, heard.said.at(-1)], [4, ["c", "b", "a"], TEXTS.deleted("d", true), library.note]);
  assert.ok(!worker.files.some(({ fileName }) => fileName === "d"));
  // Its answer was lost.
  worker.faults = [{ method: "DELETE", late: true }];
  assert.match(await library.delete(c, false), /does not answer/);
  assert.equal(await library.delete(c, false), "");
  assert.deepEqual(names(), ["b", "a"]);
  // Elsewhere.
  worker.files = worker.files.filter(({ fileName }) => fileName !== "b");
  await library.download(b);
  assert.deepEqual([names(), library.note], [["a"], TEXTS.wasDeleted("b")]);
});

test("a file is shown by its type, or by its name if nobody said one", () => {
  const kind = (mimeType, fileName) => new Stored({ id: "1", fileName, size: 1, mimeType, createdAt: 0 }).kind;
  for (const [type, name, expected] of [
    ["video/mp4", "a", "video"], ["AUDIO/ogg", "a", "audio"], ["image/png", "a.txt", "image"], ["text/plain", "a.mp4", null],
    [null, "a.MP4", "video"], ["application/octet-stream", "a.flac", "audio"], [null, "a.svg", "image"], [null, "mp4", "video"], [null, "a", null],
  ]) assert.equal(kind(type, name), expected, `${type} ${name}`);
  const file = new Stored({
    id: "1", fileName: "a\u202eb.bin", size: 2048, createdAt: "2026-11-22T05:40:00.000Z", messages: [{}, {}], encrypted: true,
  });
  assert.deepEqual([file.shown, file.encrypted, file.compressed], ["a\\u{202e}b.bin", true, false]);
  assert.match(storedOf(file).join(" · "), /^2.0 KiB · 22 Nov 2026, \d\d:40 · in 2 messages$/);
  assert.deepEqual(file.actions(), ["download", "link", "delete"]);
  assert.equal(Stored.page({ error: "x" }), null);
});

async function playing(name = "film.mp4") {
  const all = await listed(name);
  const waits = [];
  const file = new Playing(all.library.files[0], all.library, { waiting: (words) => waits.push(words) });
  return { ...all, file, waits };
}

test("a film goes on by a new link once the old one has ended, and by the same one if only the line broke", async () => {
  const { worker, file } = await playing();
  const first = await file.begin();
  assert.deepEqual(await file.stopped(10, false), first);
  worker.links.clear();
  const second = await file.stopped(20, true);
  assert.notEqual(second.address, first.address);
  assert.deepEqual(await file.stopped(30, true), { words: TEXTS.cannot.video });
});

test("a film waits for a worker that is away, gives up where nothing helps, and ends with the dialog", async () => {
  const { worker, file, waits, pauses } = await playing();
  await file.begin();
  worker.faults = [{ method: "GET", at: "/content" }, { method: "GET", at: "/content", status: 503, headers: { "Retry-After": "20" }, body: { error: "Telegram waits" } }];
  const going = file.stopped(5, false);
  for (const seconds of [4, 20]) {
    await until("the pause", () => pauses.asked.length === 1);
    assert.equal(pauses.asked[0].seconds, seconds);
    pauses.end();
  }
  assert.ok((await going).address);
  assert.deepEqual(waits, [TEXTS.again(TEXTS.unreachable, 4), TEXTS.again("Telegram waits.", 20)]);
  worker.faults = [{ method: "GET", at: "/content", status: 410, body: { error: "its message was deleted" } }];
  assert.match((await file.stopped(6, false)).words, /any more: Its message was deleted/);
  for (let times = 0; times < 6; times++) await file.stopped(6, false);
  assert.deepEqual(await file.stopped(6, false), { words: TEXTS.playStops }, "without progress");
  assert.ok((await file.stopped(7, false)).address, "with progress");
  assert.ok((await file.begin()).address);
  worker.faults = [{ method: "GET", at: "/content" }];
  const left = file.stopped(8, false);
  await until("the pause", () => pauses.asked.length === 1);
  file.end();
  await assert.rejects(left, Aborted);
});
