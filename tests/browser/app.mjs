// The page for people in a real browser, against the real worker and the sandbox's channel.
//
//   node app.mjs <control URL> <token> <worker's command> [--screenshots <directory>]

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Browser, Channel, Files, HOST, PATIENCE, Worker, line, proxyBelow } from "./stage.mjs";
import { library } from "./library.mjs";
import { screenshots } from "./screenshots.mjs";

const [control, token, command, flag, pictures] = process.argv.slice(2);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const MIB = 1024 * 1024;
// Bytes a second of a line on which next to nothing gets through.
const SLOW = 16 * 1024;
// What the worker is set to take at most.
const LARGEST = 64 * MIB;

const channel = new Channel(control);
const files = new Files();
const worker = new Worker(command);
let browser;

try {
  await worker.start();
  browser = await Browser.launch();
  if (flag === "--screenshots") {
    await screenshots({ browser, worker, channel, files, token, directory: pictures });
  } else {
    const page = await browser.page(worker.url);
    await access(page);
    await options(page);
    await folder(page);
    await restart(page);
    await cancel(page);
    await refusedFiles(page);
    await refusedByTelegram(page);
    await dropped(page);
    await keyboard(page);
    await tabs(page);
    await library({ page, browser, worker, channel, files, token, accessible });
    await signOut(page);
    await belowAPath();
    assert.deepEqual(browser.complaints, []);
    await policyHolds(page);
  }
} finally {
  await browser?.close();
  await worker.kill();
  files.remove();
}

function row(page, name) {
  return page.locator("#list > li", { has: page.locator(".name", { hasText: name }) });
}

async function is(page, name, state) {
  await page.locator(`#list > li[data-state=${state}]`, { has: page.locator(".name", { hasText: name }) }).waitFor();
}

function count(page, state) {
  return page.locator(`#list > li[data-state=${state}]`).count();
}

async function enter(page, words) {
  await page.locator("#token").fill(words);
  await page.locator("#token-use").click();
}

async function clear(page) {
  await page.locator("#clear").click();
  await page.locator("#list-card").waitFor({ state: "hidden" });
}

// An accessibility checker finds nothing serious, and nothing sticks out at 320 pixels.
async function accessible(page, what) {
  for (const [scheme, width] of [["light", 900], ["dark", 320]]) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 800 });
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const told = violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(({ html }) => html).join(" ")}`);
    assert.deepEqual(told, [], `${what}, ${scheme}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(wide, 0, `${what} fits ${width} px`);
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize({ width: 900, height: 800 });
  console.log(`accessible: ${what}`);
}

// A token that is wrong is told, and the right one is not in any address.
async function access(page) {
  await page.goto(`${worker.url}/app`);
  assert.equal(await page.evaluate(() => window.isSecureContext), false, "as by the address of a local network");
  browser.expected.push("401", "404");
  await page.locator("#token-use").click();
  await page.locator("#token-error", { hasText: "Enter the token first" }).waitFor();
  await enter(page, "nobody's");
  await page.locator("#token-error", { hasText: "does not take this token" }).waitFor();
  console.log(`a wrong token: ${await page.locator("#token-error").innerText()}`);
  await accessible(page, "a wrong token");
  // Files may be chosen before; they wait.
  const early = files.make("early.bin", 1000);
  await page.locator("#files").setInputFiles(early);
  await is(page, "early.bin", "waiting");
  await enter(page, token);
  await is(page, "early.bin", "sent");
  await channel.holds([early]);
  assert.deepEqual(browser.requests.filter(({ url }) => url.includes(token)), [], "no address has the token");
  assert.ok(browser.requests.some(({ headers }) => headers.authorization === `Bearer ${token}`));
  browser.expected.length = 0;
  await clear(page);
}

async function options(page) {
  const path = files.make("with options.txt", 1000);
  await page.locator("#options summary").click();
  await page.locator("#topic").fill("seven");
  await page.locator("#files").setInputFiles(path);
  await page.locator("#choose-note", { hasText: "A topic is a whole number" }).waitFor();
  await page.locator("#topic").fill("");
  await page.locator("#caption").fill("ä <b>caption</b>");
  await page.locator("#silent").selectOption("true");
  await accessible(page, "options");
  await page.locator("#files").setInputFiles(path);
  await is(page, "with options.txt", "sent");
  const message = (await channel.holds([path])).find(({ sent_name }) => sent_name === "with options.txt");
  assert.deepEqual([message.caption, message.silent], ["ä <b>caption</b>", true]);
  await page.locator("#caption").fill("");
  await page.locator("#silent").selectOption("");
  await page.locator("#options summary").click();
  await clear(page);
}

// A folder of 20 files, a reload in the middle, and each arrives once.
async function folder(page) {
  const paths = Array.from({ length: 20 }, (_, n) => files.make(`holiday/${n % 4 ? "" : "more/"}picture-${n}.jpg`, 600_000 + n * 50_000));
  files.make("holiday/.DS_Store", 10);
  await line(page, 2.5 * MIB);
  browser.taken();
  await page.locator("#folder").setInputFiles(join(files.dir, "holiday"));
  await page.waitForFunction(() => document.querySelectorAll("#list > li[data-state=sent]").length >= 4);
  assert.ok((await count(page, "uploading")) <= 3, "three at a time");
  const moving = () => page.waitForFunction(() =>
    [...document.querySelectorAll("#list > li[data-state=uploading] progress")].some((bar) => bar.value > 20));
  await moving();
  await page.locator("#pause-all").click();
  await page.locator("#pause-all", { hasText: "Resume all" }).waitFor();
  assert.equal(await count(page, "uploading") + (await count(page, "waiting")), 0);
  await accessible(page, "files that are paused");
  await page.locator("#pause-all").click();
  await moving();
  // So slow that what is half there stays so until the page is loaded again.
  await line(page, SLOW);
  await halfThere();
  await page.reload();
  await page.locator("#list > li").first().waitFor();
  const [begun, sent] = [await count(page, "missing"), await count(page, "sent")];
  assert.ok(begun >= 1 && sent >= 4, `${begun} were begun, ${sent} sent`);
  await accessible(page, "after a reload");
  browser.taken();
  await line(page, 0);
  await page.locator("#folder").setInputFiles(join(files.dir, "holiday"));
  await page.waitForFunction(() => document.querySelectorAll("#list > li[data-state=sent]").length === 20);
  const offsets = browser.taken().filter(({ method }) => method === "PATCH").map(({ headers }) => Number(headers["upload-offset"]));
  assert.ok(offsets.some((offset) => offset > 0), `one goes on where it was: ${offsets}`);
  assert.match(await page.locator("#choose-note").innerText(), /in the list already.*\.DS_Store/);
  const messages = await channel.holds(paths);
  assert.equal(messages.filter(({ sent_name }) => sent_name.startsWith("picture-")).length, 20);
  assert.match(await page.locator("#whole-text").innerText(), /^20 of 20 files in the channel/);
  await page.locator("#status", { hasText: /All done/ }).waitFor({ state: "attached" });
  await accessible(page, "files that were sent");
  console.log(`a folder with a reload: ${sent} sent and ${begun} begun before, 20 in the channel`);
  await clear(page);
}

// Waits until the worker has the beginning of a file that the page is sending, and a lot of it is still to come.
async function halfThere() {
  for (const until = Date.now() + PATIENCE; Date.now() < until; ) {
    const sending = new Set(browser.requests.filter(({ method }) => method === "PATCH").map(({ url }) => new URL(url).pathname));
    for (const path of sending) {
      const [offset, length] = await worker.received(path, token);
      if (offset > 0 && length - offset > 15 * SLOW) return;
    }
    await new Promise((later) => setTimeout(later, 20));
  }
  assert.fail("the worker has no file half");
}

// The worker is killed in the middle and started again: the page goes on by itself.
async function restart(page) {
  const path = files.make("film.mkv", 30 * MIB);
  browser.expected.push("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE");
  await line(page, 6 * MIB);
  await page.locator("#files").setInputFiles(path);
  await page.waitForFunction(() => document.querySelector("#list > li[data-state=uploading] progress")?.value > 40);
  browser.taken();
  await worker.kill();
  await row(page, "film.mkv").locator(".text", { hasText: "The worker does not answer. Trying again" }).waitFor();
  await worker.start();
  await is(page, "film.mkv", "sent");
  const offsets = browser.taken().filter(({ method }) => method === "PATCH").map(({ headers }) => Number(headers["upload-offset"]));
  assert.ok(offsets.length && offsets.every((offset) => offset > MIB), `it goes on where it was: ${offsets}`);
  await channel.holds([path]);
  console.log(`a killed worker: went on from ${offsets}`);
  browser.expected.length = 0;
  await clear(page);
}

async function cancel(page) {
  const path = files.make("mistake.bin", 20 * MIB);
  await line(page, 3 * MIB);
  await page.locator("#files").setInputFiles(path);
  await page.waitForFunction(() => document.querySelector("#list > li[data-state=uploading] progress")?.value > 10);
  await page.getByRole("button", { name: "Pause: mistake.bin" }).click();
  await row(page, "mistake.bin").locator(".text", { hasText: /^Paused at \d+ %$/ }).waitFor();
  await page.getByRole("button", { name: "Resume: mistake.bin" }).click();
  await is(page, "mistake.bin", "uploading");
  await page.getByRole("button", { name: "Cancel: mistake.bin" }).click();
  await is(page, "mistake.bin", "cancelled");
  await line(page, 0);
  await page.reload();
  await page.locator("#choose").waitFor();
  assert.equal(await page.locator("#list > li").count(), 0, "it is forgotten");
  assert.deepEqual((await channel.messages()).filter(({ sent_name }) => sent_name === "mistake.bin"), []);
  console.log("cancelled");
}

// What the worker does not take is not sent, and told in words.
async function refusedFiles(page) {
  browser.taken();
  await page.locator("#limit", { hasText: "Files up to 64 MiB" }).waitFor();
  await page.locator("#files").setInputFiles([files.make("too large.iso", LARGEST + 1), files.make("empty.txt", 0)]);
  await row(page, "too large.iso").locator(".text", { hasText: "larger than the 64 MiB that this worker takes" }).waitFor();
  await row(page, "empty.txt").locator(".text", { hasText: "Telegram takes no empty files" }).waitFor();
  assert.deepEqual(browser.taken().filter(({ method }) => method === "POST"), []);
  await accessible(page, "files that are refused");
  for (const name of ["too large.iso", "empty.txt"]) await page.getByRole("button", { name: `Remove: ${name}` }).click();
  await page.locator("#list-card").waitFor({ state: "hidden" });
  console.log("a file that is too large, and an empty one, are told so");
}

// What Telegram refuses is told in the worker's words, and tried again without a byte.
async function refusedByTelegram(page) {
  const [{ id }] = await (await fetch(`${control}/channels`)).json();
  await channel.put(`channels/${id}`, { writable: false }, "PATCH");
  const path = files.make("no rights.bin", 3 * MIB);
  await page.locator("#files").setInputFiles(path);
  await is(page, "no rights.bin", "failed");
  console.log(`refused by Telegram: ${await row(page, "no rights.bin").locator(".text").innerText()}`);
  await channel.put(`channels/${id}`, { writable: true }, "PATCH");
  browser.taken();
  await page.getByRole("button", { name: "Try again: no rights.bin" }).click();
  await is(page, "no rights.bin", "sent");
  assert.deepEqual(browser.taken().filter(({ method }) => method === "PATCH"), []);
  await channel.holds([path]);
  await clear(page);
}

// A folder and a file are dropped.
async function dropped(page) {
  const paths = [files.make("dropped/a/one.bin", 1000), files.make("dropped/two.bin", 1000), files.make("three.bin", 1000)];
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [join(files.dir, "dropped"), join(files.dir, "three.bin")], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, x: 400, y: 200, data });
  }
  await page.waitForFunction(() => document.querySelectorAll("#list > li[data-state=sent]").length === 3);
  assert.equal(await row(page, "one.bin").locator(".folder").innerText(), "dropped/a");
  await channel.holds(paths);
  console.log("a folder was dropped");
  await clear(page);
}

// Without a mouse.
async function keyboard(page) {
  const path = files.make("by keyboard.bin", 1000);
  await page.locator("#sign-out").focus();
  const focused = () => page.evaluate(() => {
    const { id, dataset } = document.activeElement;
    return id || dataset.action;
  });
  const tab = async (to) => {
    for (let times = 0; times < 20; times++) {
      await page.keyboard.press("Tab");
      if ((await focused()) === to) return;
    }
    assert.fail(`${to} cannot be reached`);
  };
  // The browser is told to ask here for files, which must have reached it before it does.
  const asked = page.waitForEvent("filechooser");
  await tab("files");
  const ring = await page.evaluate(() => getComputedStyle(document.querySelector("label[for=files]")).outlineStyle);
  assert.equal(ring, "solid", "the focus can be seen");
  await page.keyboard.press("Enter");
  const chooser = await asked;
  await chooser.setFiles(path);
  await is(page, "by keyboard.bin", "sent");
  await channel.holds([path]);
  await tab("remove");
  await page.keyboard.press("Enter");
  await page.locator("#list > li").waitFor({ state: "detached" });
  console.log("by keyboard alone");
}

// A second tab leaves alone what the first one sends.
async function tabs(page) {
  const path = files.make("once.bin", 8 * MIB);
  await line(page, 2 * MIB);
  await page.locator("#files").setInputFiles(path);
  await page.waitForFunction(() => document.querySelector("#list > li[data-state=uploading] progress")?.value > 5);
  const second = await browser.page(worker.url);
  browser.expected.push("404");
  await second.goto(`${worker.url}/app`);
  await enter(second, token);
  await second.locator("#access").waitFor({ state: "hidden" });
  assert.equal(await second.locator("#list > li").count(), 0);
  await second.locator("#files").setInputFiles(path);
  await row(second, "once.bin").locator(".text", { hasText: "Another tab" }).waitFor();
  await line(page, 0);
  await is(page, "once.bin", "sent");
  await channel.holds([path]);
  await second.close();
  browser.expected.length = 0;
  await clear(page);
  console.log("two tabs send it once");
}

async function signOut(page) {
  await page.locator("#sign-out").click();
  await page.locator("#access").waitFor();
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.equal(kept, "[{},{}]");
  await page.reload();
  await page.locator("#access").waitFor();
  console.log("signed out, and nothing is kept");
}

async function belowAPath() {
  const proxy = await proxyBelow("/some/where", worker);
  const origin = `http://${HOST}:${proxy.address().port}`;
  const page = await browser.page(origin);
  browser.expected.push("404");
  browser.taken();
  for (const path of ["/some/where/app", "/some/where/app/"]) {
    await page.goto(origin + path);
    await page.locator("#access:visible, #sign-out:visible").first().waitFor();
    if (await page.locator("#access").isVisible()) await enter(page, token);
    const file = files.make(`below${path.length}.bin`, 100_000);
    await page.locator("#files").setInputFiles(file);
    await is(page, file.split("/").pop(), "sent");
    await channel.holds([file]);
  }
  assert.ok(browser.taken().every(({ url }) => url.startsWith("data:") || new URL(url).pathname.startsWith("/some/where/")));
  browser.expected.length = 0;
  await page.close();
  proxy.closeAllConnections();
  proxy.close();
  console.log("below a path");
}

// The policy does forbid what it should, and what it forbids is heard here.
async function policyHolds(page) {
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    return fetch("http://elsewhere.test/").catch(() => {});
  });
  assert.equal(await page.evaluate(() => window.ran), undefined);
  const heard = browser.complaints.filter((complaint) => complaint.includes("CSP: "));
  assert.ok(heard.length >= 2, `${browser.complaints}`);
  console.log("the policy holds");
}
