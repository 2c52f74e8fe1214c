// tus 1.0.0 (https://tus.io/protocols/resumable-upload), as far as this page needs it: an upload is created, appended to, and
// asked how far it is.

import { Refused, ask, send } from "./http.js";

const VERSION = { "Tus-Resumable": "1.0.0" };

// `key base64,key base64`, of UTF-8. What is null or undefined is not named.
export function metadata(values) {
  const named = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return named.map(([key, value]) => `${key} ${base64(String(value))}`).join(",");
}

// What no upload is called.
const NOBODY = "token-check";

function base64(text) {
  let bytes = "";
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return btoa(bytes);
}

function count(answer, header) {
  const text = answer.header(header);
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

export class Tus {
  #endpoint;
  #authorization;
  #http;

  // `endpoint`: where uploads are created. `authorization()`: the header that goes with each request.
  constructor(endpoint, authorization, http = { ask, send }) {
    this.#endpoint = String(endpoint).replace(/\/+$/, "");
    this.#authorization = authorization;
    this.#http = http;
  }

  // The most bytes that a file may have; null if the worker does not say.
  async maxSize() {
    const answer = await this.#http.ask("OPTIONS", this.#endpoint);
    return count(answer, "Tus-Max-Size");
  }

  // Rejects with Refused and 401 if the token may not be used.
  async check(token) {
    try {
      const headers = { ...VERSION, Authorization: `Bearer ${token}` };
      await this.#http.ask("HEAD", this.#url(NOBODY), { headers, patience: 20 });
    } catch (error) {
      // There is no such upload, which only those learn who may ask.
      if (error.status !== 404) throw error;
    }
  }

  // Answers with the id of the new upload.
  async create(length, values, signal) {
    const headers = { ...this.#headers(), "Upload-Length": String(length), "Upload-Metadata": metadata(values) };
    const answer = await this.#http.ask("POST", this.#endpoint, { headers, signal });
    // The scheme and host are the worker's view, which a proxy may have changed. The last segment is the id.
    const id = /([^/?#]+)\/?(?:[?#].*)?$/.exec(answer.header("Location") ?? "")?.[1];
    if (!id) throw new Refused(answer);
    return decodeURIComponent(id);
  }

  // How many bytes the worker has of how many.
  async offset(id, signal) {
    const answer = await this.#http.ask("HEAD", this.#url(id), { headers: this.#headers(), signal });
    const offset = count(answer, "Upload-Offset");
    if (offset === null) throw new Refused(answer);
    return { offset, length: count(answer, "Upload-Length") };
  }

  // Appends, and answers with the new offset.
  async append(id, offset, body, { signal, onProgress, onSent }) {
    const headers = {
      ...this.#headers(),
      "Upload-Offset": String(offset),
      "Content-Type": "application/offset+octet-stream",
    };
    const answer = await this.#http.send("PATCH", this.#url(id), { headers, body, signal, onProgress, onSent });
    const reached = count(answer, "Upload-Offset");
    if (reached === null) throw new Refused(answer);
    return reached;
  }

  #url(id) {
    return `${this.#endpoint}/${encodeURIComponent(id)}`;
  }

  #headers() {
    return { ...VERSION, ...this.#authorization() };
  }
}
