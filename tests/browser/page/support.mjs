// What the tests of the page's modules share: a worker in memory that speaks tus and fails on order, and a file.

import { randomBytes } from "node:crypto";

const APP = "../../../crates/telestore-http/assets/app";
export const load = (name) => import(`${APP}/${name}`);

const { Aborted, Refused, Unreachable } = await load("http.js");

export function file(name, length, { path = "", mtime = 1, type = "" } = {}) {
  const made = new File([randomBytes(length)], name, { lastModified: mtime, type });
  return { file: made, path };
}

export function answer(status, headers = {}, body = "") {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const named = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
  const json = () => {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  };
  const words = () => json()?.error ?? "";
  return { status, ok: status < 300, header: (name) => named.get(name.toLowerCase()) ?? null, text, json, words };
}

const settled = (answer) => {
  if (answer.ok) return answer;
  throw new Refused(answer);
};

// A worker in memory. `faults` are taken one by one by the requests that they fit:
// { method, at?, status?, headers?, body?, after? }: `after` bytes are kept before it happens; without a status the line breaks;
// with `late`, the request is done, and its answer lost; with `pass`, nothing happens.
export class FakeWorker {
  uploads = new Map();
  requests = [];
  faults = [];
  // What is in the channel, the newest first, as `stored` makes it; and the links to it that are valid.
  files = [];
  links = new Set();
  linked = 0;
  // Who waits for an upload to be received: its id and whether it "completed" or "failed".
  ends = new Map();
  token = "good";

  ask = async (method, url, { headers = {}, body, signal } = {}) => {
    const { pathname, searchParams } = new URL(url);
    this.requests.push({ method, pathname, headers, body });
    await new Promise(setImmediate);
    if (signal?.aborted) throw new Aborted();
    const fault = this.#fault(method, pathname);
    if (fault && !fault.late) this.#fails(fault);
    const done = await this.#answer(method, pathname, headers, body, searchParams, signal);
    if (fault?.late) this.#fails(fault);
    return settled(done);
  };

  send = async (method, url, { headers, body, signal, onProgress, onSent }) => {
    const { pathname } = new URL(url);
    const all = new Uint8Array(await body.arrayBuffer());
    this.requests.push({ method, pathname, headers, bytes: all.length });
    const fault = this.#fault(method, pathname);
    const took = this.#append(pathname, headers, fault && !fault.late ? all.subarray(0, fault.after ?? 0) : all);
    onProgress?.(fault?.after ?? all.length);
    await new Promise(setImmediate);
    if (signal?.aborted) throw new Aborted();
    if (!fault || fault.late || fault.whole) onSent?.();
    if (fault) this.#fails(fault);
    return settled(took);
  };

  #fault(method, pathname) {
    const at = this.faults.findIndex((fault) => fault.method === method && pathname.includes(fault.at ?? ""));
    const fault = at < 0 ? undefined : this.faults.splice(at, 1)[0];
    return fault?.pass ? undefined : fault;
  }

  #fails({ status, headers, body }) {
    if (!status) throw new Unreachable("the line broke");
    throw new Refused(answer(status, headers, body));
  }

  #append(pathname, headers, part) {
    if (headers.Authorization !== `Bearer ${this.token}`) return answer(401, {}, { error: "token is not valid" });
    const upload = this.uploads.get(pathname.split("/").pop());
    if (!upload) return answer(404);
    if (Number(headers["Upload-Offset"]) !== upload.bytes.length) return answer(409, { "Tus-Resumable": "1.0.0" });
    upload.bytes = Buffer.concat([upload.bytes, part]);
    return answer(204, { "Upload-Offset": upload.bytes.length });
  }

  async #answer(method, pathname, headers, body, search, signal) {
    if (method === "OPTIONS") return answer(204, { "Tus-Max-Size": 1000 });
    if (pathname.endsWith("/content")) return this.#content(pathname, search);
    if (headers.Authorization !== `Bearer ${this.token}`) return answer(401, {}, { error: "token is not valid" });
    const id = pathname.split("/").pop();
    if (pathname.split("/")[1] === "files") return this.#files(method, pathname, body, search);
    if (method === "POST" && pathname.endsWith("/tus")) return this.#create(headers);
    if (method === "HEAD") {
      const upload = this.uploads.get(id);
      return upload ? answer(200, { "Upload-Offset": upload.bytes.length, "Upload-Length": upload.length }) : answer(404);
    }
    if (pathname.includes("/upload-progress/")) return this.#progress(id, Number(search.get("wait") ?? 0), signal);
    if (pathname.endsWith("/cancel-upload")) {
      const { uploadId } = JSON.parse(body);
      this.uploads.delete(uploadId);
      return answer(200, {}, { success: true });
    }
    if (pathname.endsWith("/complete-upload")) {
      this.ends.set(JSON.parse(body).uploadId, "completed");
      return answer(200, {}, { success: true });
    }
    return answer(404, {}, { error: "no such endpoint" });
  }

  #create(headers) {
    const id = `id-${this.uploads.size}-${this.requests.length}`;
    const metadata = Object.fromEntries(headers["Upload-Metadata"].split(",").map((pair) => {
      const [key, value] = pair.split(" ");
      return [key, Buffer.from(value, "base64").toString()];
    }));
    this.uploads.set(id, { bytes: Buffer.alloc(0), length: Number(headers["Upload-Length"]), metadata });
    // As a worker behind a proxy says it that takes TLS off.
    return answer(201, { Location: `http://inside:10000/tus/${id}` });
  }

  #files(method, pathname, body, search) {
    const [, , id, what] = pathname.split("/");
    if (!id) return this.#page(search);
    const file = this.files.find((file) => file.id === id);
    if (!file) return answer(404, {}, { error: "there is no such file" });
    if (method === "DELETE") {
      this.files = this.files.filter((other) => other !== file);
      return answer(204);
    }
    if (what !== "link") return answer(200, {}, file);
    const link = `${id}-${(this.linked += 1)}-${JSON.parse(body).expiresIn}`;
    this.links.add(link);
    // As a worker behind a proxy says it that takes TLS and a path off.
    return answer(200, {}, { url: `http://inside:10000/files/${id}/content?link=${link}`, expiresAt: "2026-11-22T06:40:00Z" });
  }

  #page(search) {
    const found = this.files.filter(({ fileName }) => fileName.includes(search.get("q") ?? ""));
    const before = search.get("cursor");
    const rest = before === null ? found : found.filter(({ place }) => place < Number(before));
    const files = rest.slice(0, Number(search.get("limit")));
    const more = rest.length > files.length;
    return answer(200, {}, { files, cursor: more ? String(files.at(-1).place) : null });
  }

  #content(pathname, search) {
    if (!this.links.has(search.get("link"))) return answer(403, {}, { error: "the link is over" });
    return this.files.some(({ id }) => pathname.includes(id)) ? answer(206, {}, "x") : answer(404, {}, { error: "there is no such file" });
  }

  // Puts files into the channel, each newer than the one before.
  store(...given) {
    for (const about of given) {
      const place = (this.files[0]?.place ?? 0) + 1;
      const file = { id: `f${place}`, fileName: `file ${place}`, size: 1000, mimeType: null, createdAt: "2026-11-22T05:40:00.000Z", ...about };
      this.files.unshift({ messages: [{ messageId: place }], encrypted: false, compressed: false, place, ...file });
    }
  }

  async #progress(id, wait, signal) {
    const upload = this.uploads.get(id);
    if (!upload || upload.bytes.length < upload.length) return answer(404, {}, { error: "Upload not found or not started" });
    if (this.ends.get(id) === "hangs" && wait) {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Aborted())));
    }
    const status = this.ends.get(id) ?? "completed";
    const state = { status: status === "hangs" ? "uploading" : status, stage: "sending", progress: 50, bytesSent: 1, bytesTotal: 2 };
    if (status === "completed") Object.assign(state, { messageId: 7, url: "https://t.me/c/1/7" });
    if (status === "failed") state.error = "Telegram session not authorized";
    return answer(200, { ETag: '"1"' }, state);
  }

  // The bytes of the only upload with this name.
  of(name) {
    const found = [...this.uploads.values()].filter(({ metadata }) => metadata.filename === name);
    if (found.length !== 1) throw new Error(`${found.length} uploads are called ${name}`);
    return found[0].bytes;
  }
}

// localStorage, as far as it is used.
export class Memory {
  #values = new Map();
  get length() { return this.#values.size; }
  key(index) { return [...this.#values.keys()][index] ?? null; }
  getItem(key) { return this.#values.get(key) ?? null; }
  setItem(key, value) { this.#values.set(key, value); }
  removeItem(key) { this.#values.delete(key); }
}

// Waits for a condition by turns of the event loop.
export async function until(what, condition) {
  for (let turn = 0; turn < 5000; turn++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`waited too long for ${what}`);
}
