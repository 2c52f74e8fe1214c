// The list of what is in the channel, in a real browser: found, downloaded, played, shown, linked, deleted.

import assert from "node:assert/strict";
import { HOST, digest, line } from "./stage.mjs";
import { tone, video } from "./video.mjs";

const MIB = 1024 * 1024;
const ROUND_TRIP = 50;

export async function library(stage) {
  const { page, worker } = stage;
  await page.goto(`${worker.url}/app`);
  await page.locator("#library-card").waitFor();
  await appears(stage);
  await pages(stage);
  await search(stage);
  await download(stage);
  await plays(stage);
  await renews(stage);
  await shows(stage);
  await link(stage);
  await clipboard(stage);
  await deletes(stage);
  await keyboard(stage);
  await gone(stage);
}

const stored = (page, name) => page.locator("#library > li", { has: page.locator(".name", { hasText: name }) });
const button = (page, action, name) => page.getByRole("button", { name: `${action}: ${name}`, exact: true });
const names = (page) => page.locator("#library .name").allInnerTexts();
const counted = (page, words) => page.locator("#library-count", { hasText: words }).waitFor();
const said = (page, words) => page.locator("#status", { hasText: words }).waitFor({ state: "attached" });

// The browser's own tab goes by a name that nobody else resolves.
const outside = (url) => url.replace(HOST, "127.0.0.1");

// Puts a file into the channel past the page.
async function put({ worker, token }, name, bytes) {
  const answer = await fetch(`${outside(worker.url)}/upload/${encodeURIComponent(name)}`, {
    method: "PUT", headers: { Authorization: `Bearer ${token}` }, body: bytes,
  });
  assert.equal(answer.status, 201, await answer.text());
}

async function look(page, name) {
  await page.locator("#search").fill(name);
  await counted(page, `with “${name}” in the name`);
}

async function all(page) {
  await page.locator("#search").fill("");
  await counted(page, /^(The newest )?\d+ files?$/);
}

// What was sent by the page is in the list without a question, and what came from elsewhere is there when somebody looks.
async function appears(stage) {
  const { page, files } = stage;
  await page.locator("#files").setInputFiles(files.make("just sent.bin", 1000));
  await stored(page, "just sent.bin").waitFor();
  assert.equal((await names(page))[0], "just sent.bin");
  assert.match(await stored(page, "just sent.bin").locator(".facts").innerText(), /^1000 bytes · \d+ \w+ \d{4}, \d\d:\d\d$/);
  await put(stage, "from elsewhere.bin", Buffer.alloc(10, 1));
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await stored(page, "from elsewhere.bin").waitFor();
  await page.locator("#clear").click();
  console.log("what was sent is in the list");
}

async function pages(stage) {
  const { page } = stage;
  for (let n = 0; n < 60; n++) await put(stage, `note ${String(n).padStart(2, "0")}.txt`, Buffer.from(`note ${n}`));
  await page.reload();
  await counted(page, "The newest 50 files");
  const first = await names(page);
  assert.deepEqual([first.length, first[0]], [50, "note 59.txt"]);
  await stage.accessible(page, "the list of the channel");
  await page.locator("#library-more").click();
  await page.waitForFunction(() => document.querySelectorAll("#library > li").length > 50);
  await said(page, /^\d+ files? more, \d+ in all\.$/);
  const both = await names(page);
  assert.deepEqual(both.slice(0, 50), first);
  assert.equal(both[59], "note 00.txt");
  assert.equal(new Set(await page.locator("#library > li").evaluateAll((rows) => rows.map((row) => row.dataset.id))).size, both.length);
  console.log(`pages: 50, then ${both.length}`);
}

async function search({ page, browser }) {
  browser.taken();
  await page.locator("#search").pressSequentially("NOTE 1", { delay: 5 });
  await counted(page, "10 files with “NOTE 1” in the name");
  await said(page, "10 files with “NOTE 1” in the name");
  assert.ok((await names(page)).every((name) => name.startsWith("note 1")));
  const asked = browser.taken().filter(({ url }) => url.includes("/files?"));
  assert.ok(asked.length < 6, `it waits for the end of the typing: ${asked.map(({ url }) => url)}`);
  await page.locator("#search").fill("no such name");
  await counted(page, "No file has “no such name” in its name.");
  await page.locator("#search").fill("");
  await counted(page, "The newest 50 files");
  console.log(`searched, with ${asked.length} questions for 6 letters`);
}

// By the browser's own downloads, with the very bytes; no token is in an address.
async function download({ page, files, browser, token }) {
  const name = "ünï & code.bin";
  const path = files.make(name, 3 * MIB + 17);
  await page.locator("#files").setInputFiles(path);
  await stored(page, name).waitFor();
  browser.taken();
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download", name).click()]);
  assert.equal(download.suggestedFilename(), name);
  assert.equal(digest(await download.path()), digest(path));
  assert.ok(browser.taken().every(({ url }) => !url.includes(token)));
  await said(page, `The browser downloads ${name}.`);
  console.log("downloaded, with the same SHA-256");
}

const state = (page) => page.evaluate(() => {
  const { currentTime, paused, error, duration } = document.querySelector("#player video, #player audio");
  return { currentTime, paused, error: error?.message, duration };
});
const runs = (page, from = 0.1) => page.waitForFunction((from) => {
  const element = document.querySelector("#player video, #player audio");
  return element && !element.paused && element.currentTime > from;
}, from, { polling: 20 });

// Jumps to the middle, and says after how many milliseconds a frame from there is on the screen.
const jump = (page) => page.evaluate(() => new Promise((resolve, reject) => {
  const video = document.querySelector("#player video");
  const to = video.duration / 2;
  for (let n = 0; n < video.buffered.length; n++) {
    if (video.buffered.start(n) <= to && to <= video.buffered.end(n)) return reject(new Error("the middle is there already"));
  }
  const begun = performance.now();
  const frame = (_, { mediaTime }) => {
    if (mediaTime >= to - 0.2) resolve({ took: performance.now() - begun, at: video.currentTime, to });
    else video.requestVideoFrameCallback(frame);
  };
  video.requestVideoFrameCallback(frame);
  video.currentTime = to;
}));

// A film plays, and jumps to its middle within a second; the sandbox's Telegram and the worker each answer after 50 ms.
async function plays(stage) {
  const { page, channel, files } = stage;
  const path = files.put("film.webm", await video(page, 60));
  await page.locator("#files").setInputFiles(path);
  await stored(page, "film.webm").waitFor();
  await channel.put("network", { round_trip_ms: ROUND_TRIP });
  await line(page, 0, ROUND_TRIP);
  const took = [];
  // The machine may be busy with something else: what counts is how fast it can be.
  while (took.length < 5 && !(Math.min(...took) < 1000)) {
    const begun = Date.now();
    await button(page, "Play", "film.webm").click();
    await runs(page);
    const started = Date.now() - begun;
    const jumped = await jump(page);
    took.push(jumped.took);
    console.log(`a video of ${(await state(page)).duration} s plays after ${started} ms, and jumps to ${jumped.to} s in ${Math.round(jumped.took)} ms`);
    await runs(page, jumped.to + 0.3);
    if (took.length === 1) await stage.accessible(page, "a video");
    await page.keyboard.press("Escape");
    await page.locator("#player").waitFor({ state: "hidden" });
    assert.equal(await page.locator("#player-stage > *").count(), 0, "nothing plays on");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.action), "play", "the focus is back");
  }
  assert.ok(Math.min(...took) < 1000, `${took} ms`);
  await channel.put("network", {});
  await line(page, 0);
}

// The link ends in the middle of the film: the page makes another one, and goes on at the same time.
async function renews({ page, browser }) {
  browser.expected.push("403");
  let shortened = false;
  await page.route("**/files/*/link", (route) => {
    const postData = shortened ? undefined : JSON.stringify({ expiresIn: 4 });
    shortened = true;
    return route.continue({ postData });
  });
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.url().endsWith("/link")), button(page, "Play", "film.webm").click(),
  ]);
  const first = (await answer.json()).url;
  await runs(page);
  // It is over when it says so, and not sooner.
  while ((await fetch(outside(first), { headers: { Range: "bytes=0-0" } })).status !== 403) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  browser.taken();
  await page.evaluate(() => (document.querySelector("#player video").currentTime = 40));
  await runs(page, 40.3);
  const { currentTime, error } = await state(page);
  assert.ok(currentTime < 50 && !error, `${currentTime} ${error}`);
  assert.equal(browser.taken().filter(({ method, url }) => method === "POST" && url.endsWith("/link")).length, 1);
  await page.unroute("**/files/*/link");
  await page.keyboard.press("Escape");
  browser.expected.length = 0;
  console.log(`a link ended, and the video went on at ${currentTime.toFixed(1)} s`);
}

// Music plays, a picture is shown, and what is no picture is told so.
async function shows(stage) {
  const { page, files } = stage;
  const picture = await page.screenshot({ clip: { x: 0, y: 0, width: 64, height: 48 } });
  await page.locator("#files").setInputFiles([
    files.put("tone.wav", tone(5)), files.put("picture.png", picture), files.put("broken.mp4", Buffer.from("this is no film")),
  ]);
  await Promise.all(["tone.wav", "picture.png", "broken.mp4"].map((name) => stored(page, name).waitFor()));
  await button(page, "Play", "tone.wav").click();
  await runs(page, 0.3);
  await page.locator("#player .close").click();
  await button(page, "Show", "picture.png").click();
  await page.waitForFunction(() => document.querySelector("#player img")?.naturalWidth === 64);
  await stage.accessible(page, "a picture");
  await page.keyboard.press("Escape");
  await button(page, "Play", "broken.mp4").click();
  await page.locator("#player-note", { hasText: "This browser cannot play this kind of video" }).waitFor();
  await page.locator("#player-again").waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#player-download").click()]);
  assert.equal(download.suggestedFilename(), "broken.mp4");
  await page.locator("#player").waitFor({ state: "hidden" });
  console.log("music played, a picture was shown, and what is no film was told so");
}

// A link opens without a token, and for as long as was chosen. By plain HTTP, the old way to the clipboard.
async function link(stage) {
  const { page, browser, files } = stage;
  const path = files.make("to be linked.bin", 100_000);
  await page.locator("#files").setInputFiles(path);
  await stored(page, "to be linked.bin").waitFor();
  await button(page, "Link", "to be linked.bin").click();
  await page.locator("#link-ends").selectOption({ label: "a day" });
  browser.taken();
  const [request] = await Promise.all([
    page.waitForRequest((request) => request.url().endsWith("/link")), page.locator("#link-form button.main").click(),
  ]);
  assert.deepEqual(request.postDataJSON(), { expiresIn: 86400 });
  await page.locator("#link-note", { hasText: /^Copied\. Until \d+ \w+ \d{4}, \d\d:\d\d it opens the file\.$/ }).waitFor();
  await stage.accessible(page, "a link");
  const address = await page.locator("#link-address").inputValue();
  assert.ok(address.startsWith(`${stage.worker.url}/files/`), address);
  const answer = await fetch(outside(address));
  assert.equal(answer.status, 200);
  assert.equal(digest(files.put("by link", Buffer.from(await answer.arrayBuffer()))), digest(path));
  await page.keyboard.press("Escape");
  // What is in the clipboard is what can be pasted.
  await page.evaluate(() => document.body.append(Object.assign(document.createElement("textarea"), { id: "paste" })));
  await page.locator("#paste").focus();
  await page.keyboard.press("Control+V");
  assert.equal(await page.locator("#paste").inputValue(), address);
  await page.locator("#paste").evaluate((field) => field.remove());
  // A clipboard that is refused.
  await page.evaluate(() => (document.execCommand = () => false));
  await button(page, "Link", "to be linked.bin").click();
  assert.equal(await page.locator("#link-made").isVisible(), false, "nothing of before is left");
  await page.locator("#link-form button.main").click();
  await page.locator("#link-note", { hasText: "copy it from the field" }).waitFor();
  const selected = await page.locator("#link-address").evaluate((field) => field.selectionEnd - field.selectionStart === field.value.length);
  assert.ok(selected, "one key copies it");
  await page.keyboard.press("Escape");
  await page.evaluate(() => delete document.execCommand);
  console.log("a link was copied, and opened without a token");
}

// By an address with a secure context: the browser's clipboard.
async function clipboard({ worker, browser, token }) {
  const origin = outside(worker.url);
  await browser.context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
  const page = await browser.page(origin);
  await page.goto(`${origin}/app`);
  assert.equal(await page.evaluate(() => window.isSecureContext), true);
  await page.evaluate(() => (document.execCommand = () => false));
  browser.expected.push("404");
  await page.locator("#token").fill(token);
  await page.locator("#token-use").click();
  await button(page, "Link", "to be linked.bin").click();
  await page.locator("#link-form button.main").click();
  await page.locator("#link-note", { hasText: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.locator("#link-address").inputValue());
  await page.close();
  browser.expected.length = 0;
}

// With its message, or without.
async function deletes(stage) {
  const { page, files, channel } = stage;
  const [goes, stays] = [files.make("goes.bin", 1000), files.make("stays.bin", 1000)];
  await page.locator("#files").setInputFiles([goes, stays]);
  await Promise.all(["goes.bin", "stays.bin"].map((name) => stored(page, name).waitFor()));
  await button(page, "Delete", "goes.bin").click();
  await stage.accessible(page, "the question before a deletion");
  await page.locator("#delete-form .close").click();
  await stored(page, "goes.bin").waitFor();
  await button(page, "Delete", "goes.bin").click();
  await page.locator("#delete-form .danger").click();
  await stored(page, "goes.bin").waitFor({ state: "detached" });
  await page.locator("#library-note", { hasText: "goes.bin is deleted. Its messages go from the channel now." }).waitFor();
  await button(page, "Delete", "stays.bin").click();
  await page.locator("#delete-keep").check();
  await page.locator("#delete-form .danger").click();
  await stored(page, "stays.bin").waitFor({ state: "detached" });
  await page.locator("#library-note", { hasText: "stays.bin is off the list. Its messages stay in the channel." }).waitFor();
  for (;;) {
    const there = (await channel.messages()).map(({ sent_name }) => sent_name);
    assert.ok(there.includes("stays.bin"));
    if (!there.includes("goes.bin")) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await page.reload();
  await counted(page, "The newest 50 files");
  assert.equal((await names(page)).filter((name) => /^(goes|stays)/.test(name)).length, 0);
  console.log("deleted, with the message and without");
}

// Without a mouse: searched, played, closed, deleted.
async function keyboard({ page }) {
  const focused = () => page.evaluate(() => {
    const { id, dataset, className } = document.activeElement;
    return id || dataset.action || className;
  });
  const tab = async (to) => {
    for (let times = 0; times < 20; times++) {
      await page.keyboard.press("Tab");
      if ((await focused()) === to) return;
    }
    assert.fail(`${to} cannot be reached from ${await focused()}`);
  };
  await page.locator("#options summary").focus();
  await tab("search");
  await page.keyboard.type("note 0");
  await page.keyboard.press("Enter");
  await counted(page, "10 files with “note 0” in the name");
  await tab("download");
  const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
  assert.equal(download.suggestedFilename(), "note 09.txt");
  await tab("link");
  await page.keyboard.press("Enter");
  await page.locator("#link-dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("#link-dialog").waitFor({ state: "hidden" });
  assert.equal(await focused(), "link");
  await tab("delete");
  await page.keyboard.press("Enter");
  await page.locator("#delete-dialog").waitFor();
  assert.match(await focused(), /close/, "what keeps the file is what a hasty Enter presses");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "danger");
  await page.keyboard.press("Enter");
  await stored(page, "note 09.txt").waitFor({ state: "detached" });
  const next = await page.evaluate(() => document.activeElement.closest("li")?.querySelector(".name").textContent);
  assert.equal(next, "note 08.txt", "the focus is on the next one");
  await all(page);
  console.log("the list by keyboard alone");
}

// What was deleted from the channel by hand is told, and can be taken off the list.
async function gone(stage) {
  const { page, browser, channel, files } = stage;
  await page.locator("#files").setInputFiles(files.make("by hand.mp4", 1000));
  await stored(page, "by hand.mp4").waitFor();
  await channel.deletes("by hand.mp4");
  browser.expected.push("410");
  await button(page, "Download", "by hand.mp4").click();
  await stored(page, "by hand.mp4").locator(".text", { hasText: "Delete it here to take it off the list." }).waitFor();
  console.log(`gone: ${await stored(page, "by hand.mp4").locator(".text").innerText()}`);
  await stage.accessible(page, "a file that is gone");
  await button(page, "Play", "by hand.mp4").click();
  await page.locator("#player-note", { hasText: "It cannot be read back any more" }).waitFor();
  await page.keyboard.press("Escape");
  await button(page, "Delete", "by hand.mp4").click();
  await page.locator("#delete-form .danger").click();
  await stored(page, "by hand.mp4").waitFor({ state: "detached" });
  browser.expected.length = 0;
  await look(page, "note 00");
  await all(page);
}
