// The list of files and what is done with them. It knows no page: `on` hears of changes.

import { Aborted, Refused } from "./http.js";
import { Item } from "./item.js";
import { Speed, limit } from "./format.js";
import { TEXTS } from "./texts.js";
import { Failed, sentence, upload } from "./upload.js";
import { Watch } from "./watch.js";

// Files at a time.
const PARALLEL = 3;

// How often what was received is remembered, in seconds.
const REMEMBER = 5;

export class Queue {
  items = [];
  // No file is larger; null as long as that is not known.
  maxSize = null;
  // What goes over the line, of all files together.
  speed = new Speed();
  #moved = 0;
  #locked = true;

  // `parts`: { tus, worker, records, tabs, now() in seconds }.
  // `on`: { change(item), list(), sent(item), say(text), token(words) }.
  constructor(parts, on) {
    Object.assign(this, parts);
    this.now ??= () => performance.now() / 1000;
    this.on = on;
    this.watch = new Watch((id, wait, etag, signal) => this.worker.progress(id, wait, etag, signal), {
      state: (id, state) => this.#of(id, (item) => this.#progressed(item, state)),
      gone: (id) => this.#of(id, (item) => this.#lookFor(item)),
      away: (id) => this.#of(id, (item) => this.#away(item)),
      token: (words) => this.#refused(words),
    }, this.now);
    this.watch.stop();
  }

  // What other tabs must not touch.
  mine() {
    return this.items.filter((item) => item.open && item.state !== "missing").map(({ key }) => key);
  }

  // What was on its way when the page was left.
  async restore() {
    const others = await this.tabs.others();
    for (const [key, record] of this.records.all()) {
      if (!others.has(key) && !this.#find(key)) this.#restored(key, record);
    }
    this.on.list();
  }

  #restored(key, record) {
    const item = Item.restored(key, record);
    this.items.push(item);
    if (item.state === "sending") this.watch.add(item.id);
    return item;
  }

  // A valid token is there.
  unlock() {
    this.#locked = false;
    this.watch.start();
    this.#go();
  }

  // Nothing goes on without a token. What was on its way waits.
  lock() {
    this.#locked = true;
    this.watch.stop();
    for (const item of this.items.filter(({ state }) => state === "uploading")) this.#halt(item, "waiting");
  }

  // Everything stops, and nothing stays.
  clear() {
    this.lock();
    for (const item of this.items) this.watch.remove(item.id);
    this.items = [];
    this.records.clear();
    this.on.list();
  }

  // Adds files: [{ file, path }], with the options of their messages. Answers with { added, already }.
  async add(found, values) {
    const others = await this.tabs.others();
    const counts = { added: 0, already: 0 };
    for (const { file, path } of found) {
      const about = { name: file.name, path, size: file.size, mtime: file.lastModified };
      const key = this.records.key(about);
      const known = this.#find(key) ?? this.#chosenWithoutFolder(about) ?? this.#leftByOthers(key, others);
      if (known) counts[this.#again(known, file) ? "added" : "already"] += 1;
      else {
        this.items.push(this.#made({ ...about, key, file, values }, others));
        counts.added += 1;
      }
    }
    this.on.list();
    this.#go();
    return counts;
  }

  #made(about, others) {
    const item = new Item(about);
    if (item.size === 0) item.fail(TEXTS.empty, null);
    else if (this.maxSize !== null && item.size > this.maxSize) item.fail(TEXTS.tooLarge(limit(this.maxSize)), null);
    else if (others.has(item.key)) item.fail(TEXTS.elsewhere, "add");
    return item;
  }

  #find(key) {
    return this.items.find((item) => item.key === key);
  }

  // A file of a folder, chosen by itself to go on with it.
  #chosenWithoutFolder({ name, path, size, mtime }) {
    if (path) return undefined;
    const same = (item) => item.state === "missing" && item.name === name && item.size === size;
    return this.items.find((item) => same(item) && item.key === this.records.key({ name, path: item.path, size, mtime }));
  }

  // What another tab had begun when this one was opened, and has not any more.
  #leftByOthers(key, others) {
    const record = others.has(key) ? undefined : this.records.get(key);
    return record && this.#restored(key, record);
  }

  // A file that is in the list was chosen once more. Whether that leads to anything.
  #again(item, file) {
    const { state } = item;
    item.file = file;
    if (state === "sent") item.skipped = true;
    this.on.change(item);
    if (state === "missing" || state === "cancelled" || (state === "failed" && item.again === "upload")) {
      if (state === "cancelled") item.forget();
      item.state = "waiting";
      return true;
    }
    return false;
  }

  // What the buttons do.
  act(item, action) {
    const acts = {
      pause: () => this.pause(item),
      resume: () => this.resume(item),
      cancel: () => this.#cancel(item),
      forget: () => this.#drop(item),
      remove: () => this.#drop(item),
      tryNow: () => item.wake?.(),
      tryAgain: () => this.#tryAgain(item),
      sendAgain: () => this.#sendAgain(item),
    };
    return acts[action]?.();
  }

  pause(item, quietly = false) {
    if (item.state !== "waiting" && item.state !== "uploading") return;
    this.#halt(item, "paused");
    if (!quietly) this.on.say(TEXTS.saysPaused(item.shown));
    this.#go();
  }

  resume(item, quietly = false) {
    if (item.state !== "paused") return;
    this.#set(item, "waiting");
    if (!quietly) this.on.say(TEXTS.saysResumed(item.shown));
    this.#go();
  }

  pauseAll() {
    // The waiting ones first, so that none of them takes a place that becomes free.
    for (const state of ["waiting", "uploading"]) {
      for (const item of this.items.filter((item) => item.state === state)) this.pause(item, true);
    }
  }

  resumeAll() {
    for (const item of this.items) this.resume(item, true);
  }

  // The network is back, or somebody looks at the page again.
  hurry() {
    for (const item of this.items) item.wake?.();
    if (!this.#locked) this.watch.hurry();
  }

  clearFinished() {
    const over = this.items.filter((item) => item.state === "sent" || item.state === "cancelled");
    for (const item of over) this.records.delete(item.key);
    this.items = this.items.filter((item) => !over.includes(item));
    this.on.list();
  }

  // What is on its way to the worker, which a page that is closed interrupts.
  get interruptible() {
    return this.items.some(({ state }) => state === "uploading" || state === "waiting" || state === "paused");
  }

  remember() {
    for (const item of this.items) if (item.state === "uploading" && item.id) this.#remember(item);
  }

  #set(item, state) {
    item.state = state;
    this.on.change(item);
  }

  #halt(item, state) {
    item.retry = null;
    this.#set(item, state);
    item.run?.abort();
  }

  #of(id, act) {
    const item = this.items.find((item) => item.id === id);
    if (item) act(item);
  }

  #remember(item) {
    if (item.id) this.records.put(item.key, item.record());
  }

  // Starts what there is a place for.
  #go() {
    if (this.#locked) return;
    let free = PARALLEL - this.items.filter(({ run }) => run).length;
    for (const item of this.items) {
      if (free <= 0) return;
      if (item.state !== "waiting" || item.run) continue;
      free -= 1;
      this.#upload(item);
    }
  }

  async #upload(item) {
    const run = (item.run = new AbortController());
    item.speed.reset();
    this.#set(item, "uploading");
    try {
      item.id = await upload({
        tus: this.tus,
        file: item.file,
        id: item.id,
        whole: item.whole,
        values: { filename: item.name, filetype: item.file.type || null, ...item.values },
        signal: run.signal,
        on: this.#hears(item),
        pause: (seconds, signal) => this.#pause(item, seconds, signal),
      });
      // Who cancels it hears from the worker what became of it.
      if (item.state !== "cancelling") this.#received(item);
    } catch (error) {
      if (!(error instanceof Aborted)) this.#failed(item, error);
    } finally {
      item.run = item.wake = null;
      this.#go();
    }
  }

  #hears(item) {
    let remembered = this.now();
    return {
      created: (id) => {
        Object.assign(item, { id, there: 0, whole: false });
        this.#remember(item);
      },
      lost: () => {
        item.forget();
        this.records.delete(item.key);
      },
      offset: (bytes) => {
        item.there = bytes;
        this.on.change(item);
      },
      moved: (bytes) => {
        const now = this.now();
        this.#moved += Math.max(0, bytes - item.there);
        item.there = bytes;
        item.speed.mark(bytes, now);
        this.speed.mark(this.#moved, now);
        if (now - remembered > REMEMBER) {
          remembered = now;
          this.#remember(item);
        }
        this.on.change(item);
      },
      whole: (is) => {
        item.whole = is;
        this.#remember(item);
      },
      waiting: (words, seconds) => {
        if (!item.run.signal.aborted) item.retry = { words, at: this.now() + seconds };
        item.speed.reset();
        this.on.change(item);
      },
      working: () => {
        item.retry = null;
        this.on.change(item);
      },
    };
  }

  // Waits, until somebody wants it sooner.
  #pause(item, seconds, signal) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => done(resolve), seconds * 1000);
      const stop = () => done(() => reject(new Aborted()));
      const done = (then) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", stop);
        item.wake = null;
        then();
      };
      item.wake = () => done(resolve);
      signal.addEventListener("abort", stop);
      if (signal.aborted) stop();
    });
  }

  // The worker has all of it.
  #received(item) {
    Object.assign(item, { whole: true, there: item.size, retry: null, telegram: null });
    this.#set(item, "sending");
    this.#remember(item);
    this.watch.add(item.id);
  }

  #failed(item, error) {
    if (!(error instanceof Failed)) console.error(error);
    if (error.kind === "token") {
      this.#set(item, "waiting");
      this.#refused(error.message);
    } else if (error.kind === "unknown") {
      // Its progress may be known still.
      this.#received(item);
    } else {
      this.#lost(item, error.message, "upload");
    }
  }

  #lost(item, words, again, state) {
    item.fail(sentence(words), again, state);
    this.on.change(item);
    this.on.say(TEXTS.saysFailed(item.shown, item.error));
    this.#settled();
  }

  #refused(words) {
    if (this.#locked) return;
    this.lock();
    this.on.token(words);
  }

  #progressed(item, state) {
    if (item.state !== "sending") return;
    if (state.status === "completed") return this.#sent(item, state);
    if (state.status === "failed") return this.#lost(item, state.error ?? "", "complete");
    const waits = state.retryAfter ? this.now() + state.retryAfter : null;
    item.speed.mark(state.bytesSent, this.now());
    item.telegram = { ...state, retryAt: waits, away: false };
    this.on.change(item);
  }

  #sent(item, state) {
    this.#arrived(item, state);
    this.on.change(item);
    this.on.say(TEXTS.saysSent(item.shown));
    this.#settled();
  }

  #arrived(item, state) {
    item.arrived(state);
    this.#remember(item);
    this.on.sent(item);
  }

  #away(item) {
    item.telegram = { ...item.telegram, away: true };
    this.on.change(item);
  }

  // The worker tells of no progress: it has not all of it, or does not know it any more.
  async #lookFor(item) {
    try {
      const { offset, length } = await this.tus.offset(item.id);
      if (item.state !== "sending") return;
      item.there = offset;
      if (offset === length) return this.#askLater(item);
      item.whole = false;
      this.#remember(item);
      this.#set(item, item.file ? "waiting" : "missing");
      this.#go();
    } catch (error) {
      if (item.state !== "sending") return;
      if (error instanceof Refused && [403, 404, 410].includes(error.status)) {
        this.records.delete(item.key);
        this.#lost(item, TEXTS.gone, null, "unknown");
      } else {
        this.watch.add(item.id);
        this.#away(item);
      }
    }
  }

  // It has all of it, and says nothing yet.
  #askLater(item) {
    item.silence = Math.min(30, (item.silence ?? 1) * 2);
    setTimeout(() => item.state === "sending" && this.watch.add(item.id), item.silence * 1000);
  }

  // Says so once nothing is left to do.
  #settled() {
    if (this.items.some((item) => item.open && !["missing", "paused"].includes(item.state))) return;
    const count = (...states) => this.items.filter((item) => states.includes(item.state) && !item.since).length;
    if (this.items.length > 1) this.on.say(TEXTS.saysAll(count("sent"), count("failed", "unknown")));
  }

  async #cancel(item) {
    const { id } = item;
    item.wake = null;
    this.#halt(item, "cancelling");
    this.watch.remove(id);
    this.#go();
    const late = await this.#cancelAtWorker(item);
    if (late === undefined) return;
    if (late) {
      this.#arrived(item, late);
      this.on.say(`${TEXTS.tooLateToCancel} ${TEXTS.saysSent(item.shown)}`);
    } else {
      item.forget();
      item.state = "cancelled";
      this.on.say(TEXTS.saysCancelled(item.shown));
    }
    this.on.change(item);
    this.#settled();
  }

  // What it became if that was too late, null if it is cancelled, undefined if the worker could not be asked.
  async #cancelAtWorker(item) {
    if (!item.id) return null;
    try {
      const state = (await this.worker.cancel(item.id)).json();
      this.records.delete(item.key);
      return state?.messageId ? state : null;
    } catch (error) {
      const words = error instanceof Refused ? error.words || TEXTS.stopped(error.status) : TEXTS.unreachable;
      item.fail(TEXTS.cancelFailed(sentence(words)), "cancel");
      this.on.change(item);
      if (error.status === 401) this.#refused(error.words);
      return undefined;
    }
  }

  // Takes it off the list; what the worker has of it and nobody goes on with is let go.
  #drop(item) {
    this.watch.remove(item.id);
    this.records.delete(item.key);
    this.items = this.items.filter((other) => other !== item);
    this.on.list();
    const rest = item.state === "missing" || item.state === "failed";
    // The worker forgets it by itself, too, in the end.
    if (rest && item.id) this.worker.cancel(item.id).catch(() => {});
  }

  async #tryAgain(item) {
    if (item.again === "cancel") return this.#cancel(item);
    if (item.again === "add") {
      this.items = this.items.filter((other) => other !== item);
      return this.add([item], item.values);
    }
    if (item.again !== "complete") return this.#restart(item);
    this.#set(item, "sending");
    try {
      await this.worker.complete(item.id);
      this.#received(item);
    } catch (error) {
      if (error.status === 404 || error.status === 410) return this.#sendAgain(item);
      const words = error instanceof Refused ? error.words || TEXTS.stopped(error.status) : TEXTS.unreachable;
      this.#lost(item, words, "complete");
      if (error.status === 401) this.#refused(error.words);
    }
  }

  #sendAgain(item) {
    item.forget();
    this.records.delete(item.key);
    this.#restart(item);
  }

  #restart(item) {
    item.error = "";
    this.#set(item, item.file ? "waiting" : "missing");
    this.#go();
  }
}
