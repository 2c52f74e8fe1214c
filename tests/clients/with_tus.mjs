// tus-js-client in Node: it goes on by itself after a line that was cut and a worker that was killed.
//
//   node with_tus.mjs URL TOKEN FILE NAME [OPTIONS]      OPTIONS: of tus.Upload, as JSON; `deferred` for a length that is not
//                                                        known until the end

import assert from "node:assert/strict";
import { createReadStream, statSync } from "node:fs";
import { PassThrough } from "node:stream";
import * as tus from "tus-js-client";

const [url, token, file, name, options = "{}"] = process.argv.slice(2);
const upload = await new Promise((resolve, reject) => {
  const { deferred, ...more } = JSON.parse(options);
  // A stream of a file is one whose size it finds out; with a deferred length it takes that for the size of the last chunk, and
  // waits for bytes that never come (lib/node/sources/FileSource.ts of 4.3.1). A stream of anything else has no size.
  const source = deferred ? createReadStream(file).pipe(new PassThrough()) : createReadStream(file);
  const upload = new tus.Upload(source, {
    endpoint: `${url}/tus`,
    uploadLengthDeferred: Boolean(deferred),
    // It reads the size of a file by itself, and refuses to be told of it if it sends parts side by side.
    uploadSize: deferred || more.parallelUploads ? undefined : statSync(file).size,
    metadata: { filename: name, filetype: "application/octet-stream", relativePath: "null" },
    headers: { Authorization: `Bearer ${token}` },
    retryDelays: [0, 100, 300, 1000, 1000, 3000, 5000],
    onError: reject,
    onSuccess: () => resolve(upload),
    ...more,
  });
  upload.start();
});
const id = upload.url.split("/").pop();
let state;
let etag = "";
do {
  const answer = await fetch(`${url}/upload-progress/${id}?wait=20`, { headers: { "If-None-Match": etag } });
  etag = answer.headers.get("etag");
  state = await answer.json();
} while (state.status === "uploading");
assert.equal(state.status, "completed", JSON.stringify(state));
