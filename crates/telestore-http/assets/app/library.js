// What is in the channel: the list page by page, the search, and what is done with a file. It knows no page: `on` hears of changes.

import { Aborted, Refused } from "./http.js";
import { problemOf, whyNotDeleted } from "./problems.js";
import { Stored } from "./stored.js";
import { TEXTS } from "./texts.js";

// Files of a page.
const PAGE = 50;

// How long somebody types nothing before it is searched for, and how long news are collected before they are asked for, in seconds.
const TYPED = 0.3;
const NEWS = 0.5;

// How long links last, in seconds: of one that is played, and of one that is downloaded; the latter is longer by what a slow line
// takes for it, since a download that was stopped goes on by the same link.
const PLAYED = 6 * 60 * 60;
const DOWNLOADED = 60 * 60;
const SLOW_LINE = 128 * 1024;

// Ends early if somebody wants that: it rejects with Aborted, then.
function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new Aborted());
    });
  });
}

export class Library {
  // The newest first.
  files = [];
  // What is searched for; and what `files` is the answer to, null as long as there was none.
  query = "";
  answered = null;
  // Whether the worker has more of them.
  more = false;
  loading = false;
  // Why there is no list, or no more of it.
  problem = "";
  // What came of the last deletion.
  note = "";
  #cursor = null;
  #locked = true;
  #run = null;
  #typing = null;
  #news = false;

  // `worker`: its calls. `pause(seconds, signal)`: waits.
  // `on`: { change(), say(text), token(words), save(address, name) }.
  constructor({ worker, pause = sleep }, on) {
    this.worker = worker;
    this.pause = pause;
    this.on = on;
  }

  // A valid token is there.
  unlock() {
    this.#locked = false;
    this.#load();
  }

  lock() {
    this.#locked = true;
    this.#typing?.abort();
    this.#stop();
    this.on.change();
  }

  // Nothing stays.
  clear() {
    this.lock();
    Object.assign(this, { files: [], query: "", answered: null, more: false, problem: "", note: "" });
    this.on.change();
  }

  get locked() {
    return this.#locked;
  }

  // Searches for names with this text, once no more of it comes for a moment, or at once.
  async search(text, { now = false } = {}) {
    this.#typing?.abort();
    const typing = (this.#typing = new AbortController());
    this.query = text.trim();
    if (!now && !(await this.#paused(TYPED, typing.signal))) return;
    if (this.query !== this.answered || this.problem) await this.#load({ says: true });
  }

  // Files came or went elsewhere.
  async refresh() {
    if (this.#locked || this.#news) return;
    this.#news = true;
    await this.#paused(NEWS);
    // What runs may have been answered before they came.
    while (this.#run) await this.#run.ended;
    this.#news = false;
    await this.#load({ query: this.answered ?? this.query });
  }

  // The network is back, or somebody wants it tried again.
  hurry() {
    if (this.problem) this.#load();
  }

  // The next page, behind those that are there.
  async next() {
    if (!this.more || this.#run) return;
    await this.#ask({ q: this.answered, cursor: this.#cursor }, ({ files, cursor }) => {
      // One that is here already was not there when it came by another page.
      const known = new Set(this.files.map(({ id }) => id));
      const others = files.filter(({ id }) => !known.has(id));
      this.files.push(...others);
      this.#end(cursor);
      this.on.say(TEXTS.moreShown(others.length, this.files.length));
    });
  }

  async #paused(seconds, signal) {
    try {
      await this.pause(seconds, signal);
      return true;
    } catch {
      return false;
    }
  }

  #stop() {
    this.#run?.abort();
    this.#run = null;
    this.loading = false;
  }

  // The first page of what is searched for.
  async #load({ query = this.query, says = false } = {}) {
    if (this.#locked) return;
    this.#stop();
    await this.#ask({ q: query }, (page) => {
      if (query === this.answered) this.#renew(page);
      else {
        this.files = page.files;
        this.#end(page.cursor);
      }
      this.answered = query;
      if (says) this.on.say(TEXTS.found(this.files.length, this.more, query));
    });
  }

  // The newest ones are those of this page; behind them stays what was there before.
  #renew({ files, cursor }) {
    const known = new Map(this.files.map((file) => [file.id, file]));
    const last = this.files.findIndex(({ id }) => id === files.at(-1)?.id);
    const rest = last < 0 ? [] : this.files.slice(last + 1);
    this.files = [...files.map((file) => known.get(file.id) ?? file), ...rest];
    if (rest.length === 0) this.#end(cursor);
  }

  #end(cursor) {
    this.#cursor = cursor;
    this.more = cursor !== null;
  }

  // One request at a time; what runs is stopped by whoever wants something else.
  async #ask(what, take) {
    const run = (this.#run = new AbortController());
    let ended;
    run.ended = new Promise((resolve) => (ended = resolve));
    Object.assign(this, { loading: true, problem: "" });
    this.on.change();
    try {
      const page = Stored.page(await this.worker.files({ ...what, limit: PAGE }, run.signal));
      if (run !== this.#run) return;
      if (page) take(page);
      else this.problem = TEXTS.badAnswer;
    } catch (error) {
      if (run !== this.#run) return;
      this.problem = problemOf(error);
      this.#refused(error);
    } finally {
      ended();
      if (run === this.#run) this.#run = null;
      if (!this.#run) this.loading = false;
      this.on.change();
    }
  }

  #refused(error) {
    if (!(error instanceof Refused) || error.status !== 401 || this.#locked) return;
    this.lock();
    this.on.token(error.words);
  }

  // The address of a file's bytes, for so many seconds: { address, until }.
  async link(file, seconds) {
    try {
      return await this.worker.link(file.id, seconds);
    } catch (error) {
      this.#refused(error);
      this.#missed(file, error);
      throw error;
    }
  }

  // The address of a file that is played, or shown.
  async address(file) {
    const { address } = await this.link(file, PLAYED);
    return `${address}&inline=1`;
  }

  // Rejects if nobody gets the bytes that are at an address.
  check(address, signal) {
    return this.worker.check(address, signal);
  }

  // The browser saves it. It is asked for one byte before, since a browser does not say why a download failed.
  async download(file) {
    if (file.busy) return;
    Object.assign(file, { busy: true, problem: "" });
    this.on.change();
    try {
      const { address } = await this.link(file, DOWNLOADED + Math.ceil(file.size / SLOW_LINE));
      await this.check(address);
      this.on.save(address, file.name);
      this.on.say(TEXTS.saysDownloads(file.shown));
    } catch (error) {
      file.problem = problemOf(error);
      this.on.say(TEXTS.saysFailed(file.shown, file.problem));
    } finally {
      file.busy = false;
      this.on.change();
    }
  }

  // Deletes it, and its messages unless they are kept. "" if it is gone, of which `done` hears before the list does; else why not.
  async delete(file, keeps, done = () => {}) {
    try {
      await this.worker.deleteFile(file.id, keeps);
    } catch (error) {
      this.#refused(error);
      // It was deleted meanwhile, or the answer to that was lost.
      if (error.status !== 404 || !error.words) return whyNotDeleted(error);
    }
    done();
    this.note = TEXTS.deleted(file.shown, keeps);
    this.#drop(file);
    this.on.say(this.note);
    return "";
  }

  // A file that the worker does not know is off the list.
  #missed(file, error) {
    if (!(error instanceof Refused) || error.status !== 404 || !error.words) return;
    this.note = TEXTS.wasDeleted(file.shown);
    this.#drop(file);
  }

  #drop(file) {
    this.files = this.files.filter(({ id }) => id !== file.id);
    this.on.change();
    // The next ones come up.
    if (this.files.length === 0 && this.more) this.#load();
  }
}
