// What becomes of uploads once the worker has them: /upload-progress, with waits.
//
// A browser opens six connections to one host, and three of them carry files. So there are two here, whatever the number of
// uploads: with more of them, those that are on their way to Telegram are asked for in turn, and those that wait, now and then.

import { Aborted, Refused } from "./http.js";

const PLACES = 2;
const LONG_WAIT = 25;
const SHORT_WAIT = 1;
const BETWEEN = 0.3;
const BETWEEN_QUEUED = 3;
const PAUSES = [1, 2, 4, 8, 15];

export class Watch {
  #entries = new Map();
  #asks;
  #on;
  #now;
  #busy = 0;
  #timer;
  #stopped = false;

  // `asks(id, wait, etag, signal)`: the answer of /upload-progress. `on`: { state(id, state), gone(id), away(id), token(words) }.
  constructor(asks, on, now = () => performance.now() / 1000) {
    this.#asks = asks;
    this.#on = on;
    this.#now = now;
  }

  add(id) {
    if (this.#entries.has(id)) return;
    this.#entries.set(id, { id, etag: null, due: 0, queued: true, failures: 0, run: null });
    this.#pump();
  }

  remove(id) {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    entry?.run?.abort();
  }

  // Asks for nothing until `start`.
  stop() {
    this.#stopped = true;
    for (const { run } of this.#entries.values()) run?.abort();
  }

  start() {
    this.#stopped = false;
    this.hurry();
  }

  // All at once, since something may have changed: the network is back.
  hurry() {
    for (const entry of this.#entries.values()) entry.due = 0;
    this.#pump();
  }

  #pump() {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    const idle = [...this.#entries.values()].filter((entry) => !entry.run);
    idle.sort((a, b) => a.queued - b.queued || a.due - b.due);
    const now = this.#now();
    for (const entry of idle.filter(({ due }) => due <= now)) {
      if (this.#busy >= PLACES) return;
      this.#ask(entry);
    }
    const next = Math.min(...idle.filter((entry) => !entry.run).map(({ due }) => due));
    if (Number.isFinite(next)) this.#timer = setTimeout(() => this.#pump(), Math.max(10, (next - now) * 1000));
  }

  #wait(entry) {
    if (this.#entries.size <= PLACES) return LONG_WAIT;
    return entry.queued ? 0 : SHORT_WAIT;
  }

  async #ask(entry) {
    this.#busy += 1;
    entry.run = new AbortController();
    try {
      const answer = await this.#asks(entry.id, this.#wait(entry), entry.etag, entry.run.signal);
      this.#heard(entry, answer);
    } catch (error) {
      this.#failed(entry, error);
    }
    entry.run = null;
    this.#busy -= 1;
    this.#pump();
  }

  #heard(entry, answer) {
    const state = answer.json();
    if (!state || typeof state.status !== "string") throw new Refused(answer);
    entry.failures = 0;
    entry.etag = answer.header("ETag");
    entry.queued = state.stage === "queued";
    entry.due = this.#now() + (entry.queued && this.#entries.size > PLACES ? BETWEEN_QUEUED : BETWEEN);
    if (state.status !== "uploading") this.#entries.delete(entry.id);
    this.#on.state(entry.id, state);
  }

  #failed(entry, error) {
    if (error instanceof Aborted || !this.#entries.has(entry.id)) return;
    const status = error instanceof Refused ? error.status : 0;
    if (status === 401) {
      this.stop();
      this.#on.token(error.words);
      return;
    }
    if (status === 404 || status === 403) {
      this.#entries.delete(entry.id);
      this.#on.gone(entry.id);
      return;
    }
    entry.due = this.#now() + Math.max(PAUSES[Math.min(entry.failures, PAUSES.length - 1)], error.retryAfter ?? 0);
    entry.failures += 1;
    this.#on.away(entry.id);
  }
}
