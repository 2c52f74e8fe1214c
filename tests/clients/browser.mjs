// A real browser with the client that ships with TeleStore, as it is known, and with the real Uppy.
//
//   node browser.mjs URL TOKEN CONTROL

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { connect, createServer as createLine } from "node:net";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [url, token, control] = process.argv.slice(2);
const { outputFiles } = await build({
  entryPoints: [new URL("page.js", import.meta.url).pathname],
  bundle: true,
  write: false,
  format: "iife",
  logLevel: "warning",
});
// A page of another origin than the worker's, as TeleStore's is.
const server = createServer((request, response) => {
  const script = request.url === "/page.js";
  response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
  response.end(script ? outputFiles[0].contents : '<!doctype html><meta charset="utf-8"><script src="page.js"></script>');
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

// A line to the worker that breaks: in the middle of a form, and when its answer comes.
const cuts = ["form", "answer"];
let left = cuts.length;
const { hostname, port } = new URL(url);
const line = createLine((client) => {
  const worker = connect(Number(port), hostname);
  let cut, sent = 0;
  const end = () => (client.destroy(), worker.destroy());
  for (const socket of [client, worker]) socket.on("error", end).on("close", end);
  client.on("data", (bytes) => {
    if (!cut && bytes.subarray(0, 13).toString() === "POST /upload " && left > 0) cut = cuts[cuts.length - left--];
    sent += bytes.length;
    if (cut === "form" && sent > 1_000_000) return end();
    worker.write(bytes);
  });
  worker.on("data", (bytes) => (cut === "answer" ? end() : client.write(bytes)));
});
await new Promise((resolve) => line.listen(0, "127.0.0.1", resolve));
const breaking = `http://127.0.0.1:${line.address().port}`;

const browser = await chromium.launch({
  executablePath: execFileSync("sh", ["-c", "command -v chromium"]).toString().trim(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  for (const [client, worker] of [["uppy", url], ["uppyCut", breaking], ["stockSmall", url], ["stockLarge", url]]) {
    const sent = await page.evaluate(([client, url, token]) => window[client](url, token), [client, worker, token]);
    const messages = await (await fetch(`${control}/messages`)).json();
    const found = messages.filter((message) => message.sent_name === sent.name);
    assert.equal(found.length, 1, `${client}: ${JSON.stringify(sent)}`);
    assert.equal(found[0].sha256, sent.sha256, `${client}: other bytes arrived`);
    assert.equal(found[0].message_id, sent.answer.messageId, client);
    if (client === "uppyCut") assert.match(sent.answer.uploadURL, /^https:\/\/t\.me\/c\/\d+\/\d+$/);
    console.log(`ok   ${client}: ${sent.name}`);
  }
  assert.equal(left, 0, "the line broke as often as it should");
} finally {
  await browser.close();
  server.close();
  line.close();
}
