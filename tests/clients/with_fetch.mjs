// Node's fetch with FormData: a whole file, and one in chunks.
//
//   node with_fetch.mjs URL TOKEN DIRECTORY

import assert from "node:assert/strict";
import { openAsBlob, readFileSync } from "node:fs";

const [url, token, directory] = process.argv.slice(2);
const CHUNK = 5 * 1024 * 1024;

async function ok(path, body) {
  const json = !(body instanceof FormData);
  const answer = await fetch(url + path, {
    method: "POST",
    headers: json ? { "Content-Type": "application/json" } : {},
    body: json ? JSON.stringify(body) : body,
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

const direct = new FormData();
direct.append("file", new File([readFileSync(`${directory}/small.bin`)], 'fetch "цитата".bin'));
direct.append("authToken", token);
await ok("/upload", direct);

const file = await openAsBlob(`${directory}/big.bin`);
const uploadId = `${Date.now()}_fetch`;
const total = Math.ceil(file.size / CHUNK);
for (let index = 0; index < total; index++) {
  const form = new FormData();
  form.append("chunk", file.slice(index * CHUNK, (index + 1) * CHUNK));
  const fields = { uploadId, chunkIndex: index, totalChunks: total, fileName: "fetch-chunks.bin", fileSize: file.size, authToken: token };
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  await ok("/upload-chunk", form);
}
await ok("/complete-upload", { uploadId });
let state;
let etag = "";
do {
  const answer = await fetch(`${url}/upload-progress/${uploadId}?wait=20`, { headers: { "If-None-Match": etag } });
  etag = answer.headers.get("etag");
  state = await answer.json();
} while (state.status === "uploading");
assert.equal(state.status, "completed", JSON.stringify(state));
