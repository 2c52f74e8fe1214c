// One file on its way: whatever goes wrong, the worker has the same bytes, once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeWorker, file, load } from "./support.mjs";

const { upload, Failed } = await load("upload.js");
const { Tus, metadata } = await load("tus.js");
const { Aborted } = await load("http.js");
const { TEXTS } = await load("texts.js");

const LENGTH = 1000;

// An upload of a file of 1000 bytes, with what it said.
function begin(worker, options = {}) {
  const said = { waits: [], lost: 0, offsets: [], whole: [] };
  const { file: given } = file("a.bin", options.length ?? LENGTH);
  const stop = new AbortController();
  const tus = new Tus("http://here/below/tus", () => ({ Authorization: `Bearer ${options.token ?? "good"}` }), worker);
  const done = upload({
    tus, file: options.file ?? given, values: { filename: "a.bin" }, signal: stop.signal, id: options.id, whole: options.whole,
    pause: async (seconds) => { said.waits.push(seconds); },
    on: {
      created: (id) => { said.id = id; },
      lost: () => { said.lost += 1; },
      offset: (bytes) => said.offsets.push(bytes),
      moved() {},
      whole: (is) => said.whole.push(is),
      waiting: (words) => { said.words = words; },
      working() {},
    },
  });
  done.catch(() => {});
  return { done, said, stop, given };
}

async function arrives(faults, options) {
  const worker = new FakeWorker();
  worker.faults = faults;
  const { done, said, given } = begin(worker, options);
  const id = await done;
  assert.deepEqual(worker.uploads.get(id).bytes, Buffer.from(await given.arrayBuffer()), "the same bytes");
  assert.deepEqual(worker.faults, [], "all of it happened");
  return { worker, said, count: (method) => worker.requests.filter((request) => request.method === method).length };
}

test("a file goes as one body", async () => {
  const { worker, count } = await arrives([]);
  assert.deepEqual([count("POST"), count("PATCH"), count("HEAD")], [1, 1, 0]);
  const [created, appended] = worker.requests;
  assert.equal(created.headers["Upload-Length"], "1000");
  assert.equal(created.headers["Tus-Resumable"], "1.0.0");
  assert.equal(appended.headers["Content-Type"], "application/offset+octet-stream");
  assert.match(appended.pathname, /^\/below\/tus\/id-/, "its own address, not what a proxy made of it");
});

test("a line that breaks is gone on with from what the worker has", async () => {
  const { said, worker } = await arrives([{ method: "PATCH", after: 300 }, { method: "HEAD" }, { method: "PATCH", after: 100 }]);
  assert.deepEqual(worker.requests.filter(({ method }) => method === "PATCH").map((request) => request.bytes), [1000, 700, 600]);
  assert.equal(said.waits.length, 3);
  assert.equal(said.words, TEXTS.unreachable);
});

test("an answer that is lost costs a question, and no byte", async () => {
  const { worker, count, said } = await arrives([{ method: "PATCH", late: true }]);
  assert.deepEqual([count("PATCH"), count("HEAD")], [1, 1]);
  assert.deepEqual(said.whole, [true]);
  assert.equal(worker.uploads.size, 1);
});

test("pauses grow, and begin anew once something has moved", async () => {
  const broken = (count) => Array.from({ length: count }, () => ({ method: "HEAD" }));
  const { said } = await arrives([{ method: "PATCH", after: 1 }, ...broken(6), { method: "PATCH", after: 1 }]);
  const [first, ...rest] = said.waits;
  const around = (seconds, of) => seconds >= of * 0.8 && seconds <= of * 1.2;
  assert.ok(around(first, 1) && around(rest[4], 30) && around(rest[5], 30), `${said.waits}`);
  assert.ok(around(said.waits.at(-1), 1), `${said.waits}`);
});

for (const status of [409, 423, 408, 429, 500, 502, 503, 507]) {
  test(`${status} waits and goes on`, async () => {
    const { said } = await arrives([{ method: "PATCH", status, headers: { "Retry-After": 7 }, body: { error: "not now" } }]);
    assert.deepEqual(said.waits, [7]);
    assert.equal(said.words, "Not now.");
  });
}

for (const status of [404, 410, 403]) {
  test(`an upload that HEAD answers with ${status} is begun anew`, async () => {
    const { said, count } = await arrives([{ method: "PATCH", after: 10 }, { method: "HEAD", status }]);
    assert.deepEqual([said.lost, count("POST")], [1, 2]);
  });
}

test("an upload that may be whole is not begun anew", async () => {
  const worker = new FakeWorker();
  worker.faults = [{ method: "PATCH", late: true }, { method: "HEAD", status: 404 }];
  const { done } = begin(worker);
  await assert.rejects(done, (error) => error instanceof Failed && error.kind === "unknown" && error.message === TEXTS.gone);
  assert.equal(worker.requests.filter(({ method }) => method === "POST").length, 1);
});

test("one that had left the browser and did not arrive is gone on with, and may be begun anew then", async () => {
  const { said, count } = await arrives([
    { method: "PATCH", after: 400, whole: true }, { method: "HEAD", status: 503 }, { method: "HEAD", pass: true }, { method: "PATCH", after: 10 }, { method: "HEAD", status: 404 },
  ]);
  assert.deepEqual(said.whole, [true, false, true], "the last one is the new upload's");
  assert.equal(count("POST"), 2);
});

test("one that is forgotten again and again fails with words", async () => {
  const worker = new FakeWorker();
  for (let time = 0; time < 4; time++) worker.faults.push({ method: "PATCH", status: 404 });
  await assert.rejects(begin(worker).done, { kind: "refused", message: TEXTS.keepsForgetting });
});

test("goes on with an upload of before, and with none of another size", async () => {
  const worker = new FakeWorker();
  const first = begin(worker);
  await first.done;
  const { id } = first.said;
  worker.uploads.get(id).bytes = worker.uploads.get(id).bytes.subarray(0, 990);
  worker.requests.length = 0;
  await begin(worker, { id, file: first.given }).done;
  assert.deepEqual(worker.requests.map(({ method, bytes }) => [method, bytes]), [["HEAD", undefined], ["PATCH", 10]]);
  const other = begin(worker, { id, length: 500 });
  assert.notEqual(await other.done, id);
  assert.equal(other.said.lost, 1);
});

test("a token that is refused, a file that is too large and others end with words", async () => {
  const ends = async (fault, options) => {
    const worker = new FakeWorker();
    if (fault) worker.faults.push(fault);
    return begin(worker, options).done.then(() => assert.fail("it arrived"), (error) => [error.kind, error.message]);
  };
  assert.deepEqual(await ends(null, { token: "bad" }), ["token", "token is not valid"]);
  const tus = { "Tus-Resumable": "1.0.0" };
  assert.deepEqual(await ends({ method: "POST", status: 413, headers: tus, body: { error: "2 GB at most" } }),
    ["refused", TEXTS.tooLargeFor("2 GB at most")]);
  assert.deepEqual(await ends({ method: "PATCH", status: 403, body: { error: "not yours" } }), ["refused", TEXTS.forbidden("not yours")]);
  assert.deepEqual(await ends({ method: "POST", status: 404 }), ["refused", TEXTS.noTus]);
  assert.deepEqual(await ends({ method: "POST", status: 400, body: { error: "topicId must be a number" } }), ["refused", "topicId must be a number"]);
});

test("a proxy that takes no large bodies gets smaller ones", async () => {
  const mebibyte = 1024 * 1024;
  const { worker } = await arrives([{ method: "PATCH", status: 413 }, { method: "PATCH", status: 413 }], { length: 20 * mebibyte });
  const sizes = worker.requests.filter(({ method }) => method === "PATCH").map(({ bytes }) => bytes / mebibyte);
  assert.deepEqual(sizes, [20, 16, 4, 4, 4, 4, 4]);
});

test("a file that was changed since it was chosen is told, and not tried for ever", async () => {
  const worker = new FakeWorker();
  worker.faults = [{ method: "PATCH" }];
  const gone = { size: LENGTH, slice: (begin, end) => new Blob([new Uint8Array(end - begin)]) };
  const { done } = begin(worker, { file: Object.assign(gone, {}) });
  gone.slice = (begin, end) => (end === 1 ? { arrayBuffer: async () => { throw new DOMException("changed", "NotReadableError"); } } : new Blob([new Uint8Array(end - begin)]));
  await assert.rejects(done, { kind: "refused", message: TEXTS.changed });
});

test("who stops it hears so, also while it waits", async () => {
  const worker = new FakeWorker();
  const { done, stop } = begin(worker);
  stop.abort();
  await assert.rejects(done, Aborted);
});

test("names of all kinds go as base64 of UTF-8", () => {
  assert.equal(metadata({ filename: "naïve ☂.txt", caption: null, silent: "true" }), "filename bmHDr3ZlIOKYgi50eHQ=,silent dHJ1ZQ==");
});

test("a token is checked by a question that only those with a good one get answered", async () => {
  const worker = new FakeWorker();
  const tus = new Tus("http://here/tus", () => ({}), worker);
  await tus.check("good");
  await assert.rejects(tus.check("bad"), { status: 401 });
  worker.faults = [{ method: "HEAD", status: 423 }];
  await assert.rejects(tus.check("good"), { status: 423 });
});
