// A real browser uploads through the demo page, by Server-Sent Events and by WebSocket, and reads refusals.
//
//   node drive.mjs <demo link> <control URL>

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [link, control] = process.argv.slice(2);
const at = new URLSearchParams(new URL(link).hash.slice(1));
const worker = at.get("worker");
const PATIENCE = 60_000;
// The state of a page on which nothing has come through.
const NOTHING = { stage: undefined, message: undefined, received: "nothing yet", sent: "nothing yet", bars: "0 0", marked: 0 };

const profile = mkdtempSync(join(tmpdir(), "telestore-browser-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: execFileSync("sh", ["-c", "command -v chromium"]).toString().trim(),
  headless: true,
  viewport: { width: 860, height: 770 },
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (request.url().startsWith("data:") || ["127.0.0.1", "localhost"].includes(new URL(request.url()).hostname)) return;
    complaints.push(`the page asked for ${request.url()}`);
  });
  await upload(page, "sse");
  await upload(page, "ws");
  await refusals(page);
  await errors(page);
  await names(page);
  await narrow(page);
  await tryItOut(page);
  assert.deepEqual(complaints, []);
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}

async function network(bandwidth) {
  const answer = await fetch(`${control}/network`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ bandwidth }),
  });
  assert.ok(answer.ok);
}

async function open(page, live) {
  await page.goto("about:blank");
  await page.goto(link);
  await page.locator(`fieldset label:has(input[value=${live}])`).click();
}

// A whole upload, with what the bar showed on the way.
async function upload(page, live) {
  await network(20 * 1024 * 1024);
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await open(page, live);
  await page.evaluate(() => {
    window.seen = [];
    const bar = document.getElementById("bar");
    new MutationObserver(() => window.seen.push(Number(bar.getAttribute("aria-valuenow")))).observe(bar, { attributes: true });
  });
  const before = new Set((await messages()).map((message) => message.message_id));
  await page.locator("#start").click();
  await page.locator("#demo[data-status=completed], #demo[data-status=failed]").waitFor();
  assert.equal(await page.locator("#demo").getAttribute("data-status"), "completed", await page.locator("#words").innerText());

  const seen = await page.evaluate(() => window.seen);
  const onTheWay = new Set(seen.filter((percent) => percent > 30 && percent < 90));
  assert.ok(onTheWay.size >= 3, `the bar moves: ${seen}`);
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b), "the bar never goes back");
  assert.equal(seen.at(-1), 100);
  assert.equal(sockets.some((url) => url.includes("/ws/upload-progress/")), live === "ws");

  const id = Number(await page.locator("#demo").getAttribute("data-message-id"));
  const arrived = (await messages()).filter((message) => !before.has(message.message_id));
  assert.deepEqual(arrived.map((message) => message.message_id), [id]);
  assert.equal(arrived[0].sha256, await page.locator("#demo").getAttribute("data-digest"), "the same bytes");
  console.log(`${live}: message ${id}, ${arrived[0].size} bytes, the bar was at ${[...onTheWay].join(" ")}`);
}

async function messages() {
  return (await fetch(`${control}/messages`)).json();
}

// What the worker refuses, it refuses while the body is still on its way; the page must be able to read why.
async function refusals(page) {
  await open(page, "sse");
  const refused = async (path, field, mebibytes, token) =>
    page.evaluate(async ([url, field, mebibytes, token]) => {
      const form = new FormData();
      form.append(field, new Blob([new Uint8Array(mebibytes * 1048576)]), "blob");
      const fields = { uploadId: "refused", chunkIndex: 0, totalChunks: 1, fileName: "a", fileSize: mebibytes * 1048576 };
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      const answer = await fetch(url, { method: "POST", body: form, headers: { Authorization: `Bearer ${token}` } });
      return [answer.status, (await answer.json()).error];
    }, [`${worker}${path}`, field, mebibytes, token]);
  for (const [path, field] of [["/upload-chunk", "chunk"], ["/upload", "file"]]) {
    const [status, error] = await refused(path, field, 8, "nobody's");
    assert.equal(status, 401, error);
    console.log(`${path} with a bad token: ${status} ${error}`);
  }
  const [status, error] = await refused("/upload-chunk", "chunk", 64, at.get("token"));
  assert.equal(status, 413, error);
  console.log(`/upload-chunk with 64 MiB: ${status} ${error}`);
}

// Where nobody listens.
async function deadAddress() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return `http://127.0.0.1:${port}`;
}

async function ended(page) {
  await page.locator("#demo[data-status=completed], #demo[data-status=failed]").waitFor();
  return page.evaluate(() => ({
    status: document.getElementById("demo").dataset.status,
    stage: document.getElementById("demo").dataset.stage,
    message: document.getElementById("demo").dataset.messageId,
    words: document.getElementById("words").textContent,
    received: document.getElementById("received").textContent,
    sent: document.getElementById("sent").textContent,
    bars: ["chunks", "bar"].map((id) => document.getElementById(id).getAttribute("aria-valuenow")).join(" "),
    marked: document.querySelectorAll("#stages .now, #stages .past").length,
  }));
}

// An error says what to do, and does not stand beside the state of an upload before.
async function errors(page) {
  await network(100 * 1024 * 1024);
  await open(page, "sse");
  await page.locator("#size").selectOption("8");
  await page.locator("#start").click();
  assert.equal((await ended(page)).status, "completed");

  const dead = await deadAddress();
  await page.locator("#worker").fill(dead);
  await page.locator("#start").click();
  const { status, words, ...state } = await ended(page);
  assert.equal(status, "failed");
  assert.match(words, new RegExp(`^The worker at ${dead} does not answer\\. Is it running`));
  assert.ok(words.includes("TELESTORE_CORS_ORIGINS") && !words.includes("fetch"), words);
  assert.deepEqual(state, NOTHING);
  console.log(`a dead worker: ${words}`);

  await page.locator("#worker").fill(worker);
  await page.locator("#token").fill("nobody's");
  await page.locator("#start").click();
  const refused = await ended(page);
  assert.equal(refused.status, "failed");
  assert.match(refused.words, /token/i);
  assert.deepEqual({ ...NOTHING, ...refused }, { ...refused, ...NOTHING });
  console.log(`a bad token: ${refused.words}`);

  // What answers is no worker: the sandbox's backend, here.
  await page.locator("#worker").fill(new URL(link).origin);
  await page.locator("#start").click();
  assert.match((await ended(page)).words, /no worker|does not answer/);

  await page.locator("#worker").fill(worker);
  await page.locator("#token").fill(at.get("token"));
  await page.locator("#start").click();
  assert.equal((await ended(page)).status, "completed", "the page is as good as new");
}

// A name that misleads is told with escapes, and arrives as it is.
async function names(page) {
  const name = "invoice_\u202efdp\u200b.exe";
  await open(page, "sse");
  await page.evaluate(() => {
    window.told = [];
    const words = document.getElementById("words");
    new MutationObserver(() => window.told.push(words.textContent)).observe(words, { childList: true });
  });
  await page.locator("#file").setInputFiles({ name, mimeType: "application/octet-stream", buffer: Buffer.from("bytes") });
  await page.locator("#start").click();
  const { status, words, message } = await ended(page);
  assert.equal(status, "completed", words);
  const told = await page.evaluate(() => window.told.join("\n"));
  assert.ok(told.includes("Uploading invoice_\\u{202e}fdp\\u{200b}.exe"), told);
  assert.ok(told.includes("The worker has invoice_\\u{202e}fdp\\u{200b}.exe"), told);
  assert.ok(!/[\u202e\u200b]/.test(told), told);
  const arrived = (await messages()).find((found) => found.message_id === Number(message));
  assert.equal(arrived.sent_name, name);
  console.log(`a name that misleads: ${told.split("\n").find((line) => line.includes("invoice_"))}`);
}

// A phone sees all of it, and scrolls in one direction.
async function narrow(page) {
  const fits = async (what) => {
    const over = await page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      const wide = [...document.querySelectorAll("main, main *")].filter((element) => {
        const { left, right } = element.getBoundingClientRect();
        return left < 0 || right > width + 0.5;
      });
      return [document.documentElement.scrollWidth > width, ...wide.map((element) => element.outerHTML.slice(0, 80))];
    });
    assert.deepEqual(over, [false], what);
  };
  for (const width of [320, 360, 412]) {
    await page.setViewportSize({ width, height: 700 });
    await open(page, "sse");
    await fits(`${width} px, at first`);
    await page.locator("#size").selectOption("8");
    await page.locator("#start").click();
    assert.equal((await ended(page)).status, "completed");
    await fits(`${width} px, completed`);
    await page.locator("#worker").fill(await deadAddress());
    await page.locator("#start").click();
    await page.locator("#words").filter({ hasText: "does not answer" }).waitFor();
    await fits(`${width} px, with an error`);
    console.log(`fits ${width} px`);
  }
  await page.setViewportSize({ width: 860, height: 770 });
}

// The page of the API: the examples of the chunked flow work as they stand, from top to bottom, also in the dark.
async function tryItOut(page) {
  const hello = join(profile, "hello.txt");
  writeFileSync(hello, "hello, channel");
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(`${worker}/docs`);
  await page.locator(".opblock").first().waitFor();
  assert.match(await background(), /^rgb\((\d|[1-5]\d), /, "dark where the reader wants it");
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction(() => !document.documentElement.classList.contains("dark-mode"));

  await page.locator("button.authorize").first().click();
  await page.locator(".auth-container input").fill(at.get("token"));
  await page.locator(".auth-btn-wrapper button.authorize").click();
  await page.locator(".auth-btn-wrapper button.btn-done").click();
  for (const name of ["init", "chunk", "status", "complete", "progress", "upload"]) {
    const operation = page.locator(`.opblock[id$="-${name}"]`);
    await operation.locator(".opblock-summary-control").click();
    await operation.locator(".try-out__btn").click();
    // The first is the file; a picture may stand for it.
    const file = operation.locator("input[type=file]").first();
    if (await file.count()) await file.setInputFiles(hello);
    await operation.locator("button.execute").click();
    const code = operation.locator(".live-responses-table .response-col_status").last();
    await code.waitFor();
    const said = await operation.locator(".live-responses-table").innerText();
    assert.match(await code.innerText(), /^200/, `${name}: ${said}`);
    console.log(`/docs, ${name}: 200`);
  }
}
