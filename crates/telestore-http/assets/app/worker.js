// The worker's calls beside tus.

import { Unreachable, ask } from "./http.js";

const fileOf = (id) => `files/${encodeURIComponent(id)}`;

export class Worker {
  #root;
  #authorization;
  #ask;

  // `root`: where its paths begin.
  constructor(root, authorization, asks = ask) {
    this.#root = root;
    this.#authorization = authorization;
    this.#ask = asks;
  }

  progress(id, wait, etag, signal) {
    const headers = { ...this.#authorization(), ...(etag ? { "If-None-Match": etag } : {}) };
    const query = wait ? `?wait=${wait}` : "";
    return this.#ask("GET", this.#url(`upload-progress/${encodeURIComponent(id)}${query}`), { headers, signal, patience: wait + 30 });
  }

  cancel(id) {
    return this.#post("cancel-upload", { uploadId: id });
  }

  // Sends what failed once more, from the bytes that the worker has.
  complete(id) {
    return this.#post("complete-upload", { uploadId: id });
  }

  // A page of the user's files whose names have `q` in them: the first one, or the one that `cursor` asks for.
  async files({ q = "", cursor = null, limit }, signal) {
    const query = new URLSearchParams({ limit, ...(q && { q }), ...(cursor !== null && { cursor }) });
    return (await this.#ask("GET", this.#url(`files?${query}`), { headers: this.#authorization(), signal })).json();
  }

  // An address that opens a file without a token for so many seconds: { address, until }. It is the one at which this page found the
  // worker: what the worker says of itself may be what a proxy calls it.
  async link(id, seconds) {
    const { url, expiresAt } = (await this.#post(`${fileOf(id)}/link`, { expiresIn: seconds })).json() ?? {};
    const sealed = /[?&]link=([^&#]+)/.exec(url ?? "")?.[1];
    if (!sealed) throw new Unreachable("what answers is no worker");
    return { address: this.#url(`${fileOf(id)}/content?link=${sealed}`), until: new Date(expiresAt) };
  }

  // Rejects if the bytes at such an address cannot be read: it takes one of them.
  check(address, signal) {
    return this.#ask("GET", address, { headers: { Range: "bytes=0-0" }, signal });
  }

  // Deletes a file, and its messages unless they are kept.
  deleteFile(id, keeps) {
    return this.#ask("DELETE", this.#url(`${fileOf(id)}${keeps ? "?messages=keep" : ""}`), { headers: this.#authorization() });
  }

  #post(path, body) {
    const headers = { ...this.#authorization(), "Content-Type": "application/json" };
    return this.#ask("POST", this.#url(path), { headers, body: JSON.stringify(body) });
  }

  #url(path) {
    return new URL(path, this.#root).href;
  }
}
