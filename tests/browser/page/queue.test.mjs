// The list of files: what it does with them, and what it remembers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeWorker, Memory, file, load, until } from "./support.mjs";

const { Queue } = await load("queue.js");
const { Records } = await load("records.js");
const { Tus } = await load("tus.js");
const { Worker } = await load("worker.js");
const { TEXTS } = await load("texts.js");
const { summary } = await load("item.js");

const nobody = { others: async () => new Set() };

// A page with a list: `again()` is the same after a reload.
function page(worker = new FakeWorker(), storage = new Memory(), tabs = nobody) {
  const said = [];
  const tokens = [];
  const arrived = [];
  const authorization = () => ({ Authorization: `Bearer ${worker.shown ?? "good"}` });
  const queue = new Queue({
    tus: new Tus("http://here/tus", authorization, worker),
    worker: new Worker("http://here/", authorization, worker.ask),
    records: new Records("/", storage),
    tabs,
  }, { change() {}, list() {}, sent: (item) => arrived.push(item.name), say: (words) => said.push(words), token: (words) => tokens.push(words) });
  const states = () => Object.fromEntries(queue.items.map((item) => [item.path || item.name, item.state]));
  const item = (name) => queue.items.find((item) => (item.path || item.name) === name);
  const becomes = (name, state) => until(`${name} to be ${state}, not ${item(name)?.state}`, () => item(name)?.state === state);
  const again = async () => {
    queue.lock();
    const next = page(worker, storage, tabs);
    await next.queue.restore();
    return next;
  };
  return { worker, queue, said, tokens, arrived, states, item, becomes, again, storage };
}

// Requests of a method that were made.
const made = (worker, method) => worker.requests.filter((request) => request.method === method).length;

test("files wait for a token, then go three at a time and arrive", async () => {
  const { worker, queue, states, said, arrived } = page();
  const files = Array.from({ length: 8 }, (_, index) => file(`${index}.bin`, 100 + index, { path: `dir/${index}.bin` }));
  assert.deepEqual(await queue.add(files, {}), { added: 8, already: 0 });
  assert.deepEqual([...new Set(Object.values(states()))], ["waiting"]);
  let most = 0;
  const send = worker.send;
  worker.send = (...all) => {
    most = Math.max(most, queue.items.filter(({ state }) => state === "uploading").length);
    return send(...all);
  };
  queue.unlock();
  await until("all to arrive", () => queue.items.every(({ state }) => state === "sent"));
  assert.equal(most, 3);
  for (const { file: given } of files) assert.deepEqual(worker.of(given.name), Buffer.from(await given.arrayBuffer()));
  assert.equal(said.at(-1), TEXTS.saysAll(8, 0));
  assert.deepEqual(arrived.sort(), files.map(({ file }) => file.name).sort(), "the list of the channel hears of each");
  assert.equal(queue.items[0].url, "https://t.me/c/1/7");
});

test("options go as metadata, and what is not set does not", async () => {
  const { worker, queue, becomes } = page();
  queue.unlock();
  await queue.add([file("a.txt", 5, { type: "text/plain" })], { caption: "ä", topicId: null, silent: "true", sendAs: null });
  await becomes("a.txt", "sent");
  const [{ metadata }] = worker.uploads.values();
  assert.deepEqual(metadata, { filename: "a.txt", filetype: "text/plain", caption: "ä", silent: "true" });
});

test("what cannot be sent is not begun", async () => {
  const { worker, queue, item } = page();
  queue.unlock();
  queue.maxSize = 1000;
  await queue.add([file("empty", 0), file("large", 1001)], {});
  assert.deepEqual([item("empty").error, item("large").error], [TEXTS.empty, TEXTS.tooLarge("1000 bytes")]);
  assert.deepEqual(item("large").actions(), [null, "remove"]);
  assert.equal(worker.requests.length, 0);
});

test("pause keeps what is there, and resume goes on", async () => {
  const { worker, queue, item, becomes } = page();
  queue.unlock();
  worker.faults = [{ method: "PATCH", after: 40 }];
  await queue.add([file("a", 100)], {});
  await until("the break", () => item("a").retry);
  queue.act(item("a"), "pause");
  assert.equal(item("a").state, "paused");
  const before = worker.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(worker.requests.length, before, "nothing is asked for");
  queue.act(item("a"), "resume");
  await becomes("a", "sent");
  assert.equal(worker.requests.find(({ method, headers }) => method === "PATCH" && headers["Upload-Offset"] === "40").bytes, 60);
});

test("after a reload the same files go on, what was sent stays sent, and what is sent arrives", async () => {
  const worker = new FakeWorker();
  const first = page(worker);
  first.queue.unlock();
  const [done, begun, received] = [file("done", 10), file("begun", 100, { path: "d/begun" }), file("received", 20)];
  await first.queue.add([done], {});
  await first.becomes("done", "sent");
  worker.faults = [{ method: "PATCH", after: 30 }];
  await first.queue.add([begun], {});
  await until("the break", () => first.item("d/begun").retry);
  await first.queue.add([received], {});
  await first.becomes("received", "sent");
  // It was still on its way when the page was left.
  const key = first.item("received").key;
  const record = JSON.parse(first.storage.getItem(key));
  first.storage.setItem(key, JSON.stringify({ ...record, state: "whole", messageId: null }));

  const second = await first.again();
  assert.deepEqual(second.states(), { done: "sent", "d/begun": "missing", received: "sending" });
  second.queue.unlock();
  await second.becomes("received", "sent");
  const posts = made(worker, "POST");
  assert.deepEqual(await second.queue.add([done, begun, received], {}), { added: 1, already: 2 });
  await second.becomes("d/begun", "sent");
  assert.equal(made(worker, "POST"), posts, "nothing was begun anew");
  assert.deepEqual(worker.of("begun"), Buffer.from(await begun.file.arrayBuffer()));
  assert.deepEqual(second.item("done").actions(), ["sendAgain", "remove"], "for who wants it twice");
});

test("a file of a folder may be chosen by itself to go on, and one that was changed is another one", async () => {
  const worker = new FakeWorker();
  const first = page(worker);
  first.queue.unlock();
  worker.faults = [{ method: "PATCH", after: 30 }];
  const begun = file("a", 100, { path: "d/a" });
  await first.queue.add([begun], {});
  await until("the break", () => first.item("d/a").retry);
  const second = await first.again();
  await second.queue.add([file("a", 100, { path: "d/a", mtime: 2 })], {});
  assert.equal(second.queue.items.length, 2);
  await second.queue.add([{ ...begun, path: "" }], {});
  assert.equal(second.item("d/a").state, "waiting");
});

test("files of the same name in different folders are different files", async () => {
  const { queue, worker } = page();
  queue.unlock();
  const files = ["a", "b"].map((dir) => file("same", 10, { path: `${dir}/same` }));
  assert.equal((await queue.add(files, {})).added, 2);
  assert.equal((await queue.add(files, {})).already, 2);
  await until("both", () => worker.uploads.size === 2);
});

test("a token that is refused is asked for once, and everything goes on with the next", async () => {
  const { worker, queue, tokens, states } = page();
  worker.shown = "old";
  queue.unlock();
  await queue.add([file("a", 10), file("b", 10), file("c", 10)], {});
  await until("the question", () => tokens.length);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(tokens, ["token is not valid"]);
  assert.deepEqual(Object.values(states()), ["waiting", "waiting", "waiting"]);
  worker.shown = "good";
  queue.unlock();
  await until("all", () => queue.items.every(({ state }) => state === "sent"));
});

test("a cancel is the worker's to confirm, and nothing of it is remembered", async () => {
  const { worker, queue, item, becomes, again } = page();
  queue.unlock();
  worker.faults = [{ method: "PATCH", after: 30 }, { method: "POST", at: "cancel-upload" }];
  await queue.add([file("a", 100)], {});
  await until("the break", () => item("a").retry);
  queue.act(item("a"), "cancel");
  await becomes("a", "failed");
  assert.match(item("a").error, /could not be cancelled/);
  queue.act(item("a"), "tryAgain");
  await becomes("a", "cancelled");
  assert.equal(worker.uploads.size, 0);
  assert.deepEqual((await again()).states(), {});
});

test("a cancel that comes too late says that the file is there", async () => {
  const { worker, queue, item, becomes } = page();
  queue.unlock();
  worker.faults = [{ method: "PATCH", after: 30 }, { method: "POST", at: "cancel-upload", status: 200 }];
  await queue.add([file("a", 100)], {});
  await until("the break", () => item("a").retry);
  queue.worker.cancel = async () => ({ json: () => ({ success: true, messageId: 5 }) });
  queue.act(item("a"), "cancel");
  await becomes("a", "sent");
  assert.equal(item("a").messageId, 5);
});

test("what Telegram refused is tried again from the worker's bytes", async () => {
  const { worker, queue, item, becomes } = page();
  const create = worker.ask;
  worker.ask = async (method, url, options) => {
    const answer = await create(method, url, options);
    if (method === "POST" && url.endsWith("/tus")) worker.ends.set(answer.header("Location").split("/").pop(), "failed");
    return answer;
  };
  const fails = page(worker);
  fails.queue.unlock();
  await fails.queue.add([file("a", 100)], {});
  await fails.becomes("a", "failed");
  assert.equal(fails.item("a").error, "Telegram session not authorized.");
  fails.queue.act(fails.item("a"), "tryAgain");
  await fails.becomes("a", "sent");
  assert.equal(made(worker, "PATCH"), 1, "no byte goes twice");
  assert.ok(queue && item && becomes);
});

test("what the worker had in whole and forgot is for a person to decide", async () => {
  const worker = new FakeWorker();
  const first = page(worker);
  first.queue.unlock();
  const given = file("a", 10);
  await first.queue.add([given], {});
  await first.becomes("a", "sent");
  const { key } = first.item("a");
  first.storage.setItem(key, JSON.stringify({ ...JSON.parse(first.storage.getItem(key)), state: "whole" }));
  worker.uploads.clear();
  const second = await first.again();
  second.queue.unlock();
  await second.becomes("a", "unknown");
  await second.queue.add([given], {});
  assert.equal(worker.uploads.size, 0, "not by choosing it");
  second.queue.act(second.item("a"), "sendAgain");
  await second.becomes("a", "sent");
});

test("what another tab sends is left alone", async () => {
  const worker = new FakeWorker();
  const first = page(worker);
  first.queue.unlock();
  worker.faults = [{ method: "PATCH", after: 30 }];
  const given = file("a", 100);
  await first.queue.add([given], {});
  await until("the break", () => first.item("a").retry);
  const other = page(worker, first.storage, { others: async () => new Set(first.queue.mine()) });
  await other.queue.restore();
  assert.deepEqual(other.states(), {});
  await other.queue.add([given], {});
  assert.equal(other.item("a").error, TEXTS.elsewhere);
  // The other tab is closed: this one goes on where that was.
  first.queue.lock();
  first.queue.items = [];
  other.queue.unlock();
  await other.queue.act(other.item("a"), "tryAgain");
  await other.becomes("a", "sent");
  assert.equal(made(worker, "POST"), 1, "it is the same upload");
  assert.deepEqual(worker.of("a"), Buffer.from(await given.file.arrayBuffer()));
});

test("signing out forgets everything", async () => {
  const { worker, queue, item, storage } = page();
  queue.unlock();
  worker.faults = [{ method: "PATCH", after: 30 }];
  await queue.add([file("a", 100)], {});
  await until("the break", () => item("a").retry);
  queue.clear();
  assert.deepEqual([queue.items.length, storage.length], [0, 0]);
});

test("the whole is counted in files and bytes", async () => {
  const { queue } = page();
  await queue.add([file("a", 100), file("b", 300), file("c", 0)], {});
  Object.assign(queue.items[0], { state: "sent", there: 100 });
  Object.assign(queue.items[1], { state: "uploading", there: 50 });
  const { files, bytes, there, sent, failed, left } = summary(queue.items);
  assert.deepEqual({ files, bytes, there, sent, failed, left }, { files: 3, bytes: 400, there: 150, sent: 1, failed: 1, left: 250 });
});
