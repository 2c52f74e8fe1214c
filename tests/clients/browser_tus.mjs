// A file by tus from a real browser, from a page of another origin than the worker's.
//
//   node browser_tus.mjs URL TOKEN FILE NAME CLIENT [OPTIONS]      CLIENT: uppy or tus-js; OPTIONS: of tus.Upload, as JSON

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [url, token, file, name, client, options = "{}"] = process.argv.slice(2);
const { outputFiles } = await build({
  entryPoints: [new URL("page_tus.js", import.meta.url).pathname],
  bundle: true,
  write: false,
  format: "iife",
  logLevel: "warning",
});
const server = createServer((request, response) => {
  if (request.url === "/file") return createReadStream(file).pipe(response);
  const script = request.url === "/page.js";
  response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
  response.end(script ? outputFiles[0].contents : '<!doctype html><meta charset="utf-8"><script src="page.js"></script>');
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const browser = await chromium.launch({
  executablePath: execFileSync("sh", ["-c", "command -v chromium"]).toString().trim(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const to = await page.evaluate((args) => window.send(...args), [client, url, token, name, JSON.parse(options)]);
  const id = to.split("/").pop();
  let [state, etag] = [{ status: "uploading" }, ""];
  while (state.status === "uploading") {
    const answer = await fetch(`${url}/upload-progress/${id}?wait=20`, { headers: { "If-None-Match": etag } });
    etag = answer.headers.get("etag");
    if (answer.status === 200) state = await answer.json();
  }
  assert.equal(state.status, "completed", JSON.stringify(state));
} finally {
  await browser.close();
  server.close();
}
