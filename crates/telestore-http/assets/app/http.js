// Requests, and what may become of them. Everything else of the page asks through here.

// Nobody answered, or not to the end.
export class Unreachable extends Error {}

// The one who asked no longer wants to know.
export class Aborted extends Error {}

// An answer that is no success.
export class Refused extends Error {
  constructor(answer) {
    super(`status ${answer.status}`);
    this.answer = answer;
    this.status = answer.status;
    this.words = answer.words();
    this.retryAfter = seconds(answer.header("Retry-After"));
  }
}

function seconds(header) {
  if (!header) return 0;
  const number = Number(header);
  if (Number.isFinite(number)) return Math.max(0, number);
  const date = Date.parse(header);
  return Number.isNaN(date) ? 0 : Math.max(0, (date - Date.now()) / 1000);
}

class Answer {
  constructor(status, header, text) {
    this.status = status;
    this.header = header;
    this.text = text;
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  json() {
    try {
      return JSON.parse(this.text);
    } catch {
      return null;
    }
  }

  // What the worker says of its refusal; "" if it is silent, or if somebody else answered.
  words() {
    const error = this.json()?.error;
    return typeof error === "string" ? error : "";
  }
}

const PATIENCE = 60;

// A short request. Rejects with Unreachable, Aborted, or Refused if the status is no success.
export async function ask(method, url, { headers = {}, body, signal, patience = PATIENCE } = {}) {
  const run = new AbortController();
  const stop = () => run.abort();
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  const timer = setTimeout(stop, patience * 1000);
  let answer;
  try {
    const response = await fetch(url, { method, headers, body, signal: run.signal, cache: "no-store", redirect: "error" });
    const text = method === "HEAD" ? "" : await response.text();
    answer = new Answer(response.status, (name) => response.headers.get(name), text);
  } catch (error) {
    throw signal?.aborted ? new Aborted() : new Unreachable(String(error));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
  if (!answer.ok) throw new Refused(answer);
  return answer;
}

// A request with a large body, which tells how far it is: `onProgress(bytes)`, and `onSent()` once all has left the browser.
// A body that does not move for `patience` seconds has no line any more. Only XMLHttpRequest can tell all that.
export function send(method, url, { headers = {}, body, signal, onProgress, onSent, patience = PATIENCE }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new Aborted());
    const request = new XMLHttpRequest();
    let timer;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), patience * 1000);
    };
    const stop = () => request.abort();
    signal?.addEventListener("abort", stop);
    request.upload.addEventListener("progress", ({ loaded }) => {
      alive();
      onProgress?.(loaded);
    });
    request.upload.addEventListener("load", () => {
      alive();
      onSent?.();
    });
    request.addEventListener("loadend", () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      // 0: aborted, or the connection broke.
      if (request.status === 0) return reject(signal?.aborted ? new Aborted() : new Unreachable("the connection broke"));
      const answer = new Answer(request.status, (name) => request.getResponseHeader(name), request.responseText);
      if (answer.ok) resolve(answer);
      else reject(new Refused(answer));
    });
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    alive();
    request.send(body);
  });
}
