// The worker's calls beside tus.

import { ask } from "./http.js";

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

  #post(path, body) {
    const headers = { ...this.#authorization(), "Content-Type": "application/json" };
    return this.#ask("POST", this.#url(path), { headers, body: JSON.stringify(body) });
  }

  #url(path) {
    return new URL(path, this.#root).href;
  }
}
