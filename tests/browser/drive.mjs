// A real browser uploads through the demo page, by Server-Sent Events and by WebSocket, and reads refusals.
//
//   node drive.mjs <demo link> <control URL> [--screenshot <file>]

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [link, control, flag, picture] = process.argv.slice(2);
const at = new URLSearchParams(new URL(link).hash.slice(1));
const worker = at.get("worker");
const PATIENCE = 60_000;

const profile = mkdtempSync(join(tmpdir(), "telestore-browser-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: execFileSync("sh", ["-c", "command -v chromium"]).toString().trim(),
  headless: true,
  viewport: { width: 860, height: 770 },
  deviceScaleFactor: flag ? 1.5 : 1,
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
  if (flag === "--screenshot") {
    await screenshot(page, picture);
  } else {
    await upload(page, "sse");
    await upload(page, "ws");
    await refusals(page);
  }
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

async function screenshot(page, path) {
  await network(9 * 1024 * 1024);
  await open(page, "sse");
  await page.locator("#start").click();
  await page.locator("#demo[data-stage=sending]").waitFor();
  await page.waitForFunction(() => Number(document.getElementById("bar").getAttribute("aria-valuenow")) >= 62);
  await page.locator("#demo").evaluate((demo) => Promise.all(demo.getAnimations({ subtree: true }).map((a) => a.finished)));
  await page.screenshot({ path });
  console.log(`${path} is written`);
}
