// One file on its way to the worker: created, appended, and after whatever goes wrong asked about and gone on with.

import { Aborted, Refused, Unreachable } from "./http.js";
import { TEXTS } from "./texts.js";

// Seconds between tries. The last one is repeated for as long as it takes: a worker that is away comes back.
const PAUSES = [1, 2, 4, 8, 15, 30];

// How large a body may be once something between here and the worker has refused a larger one.
const SMALLER = [96, 48, 16, 4].map((mebibytes) => mebibytes * 1024 * 1024);

// How often an upload may be gone without any progress in between.
const MOST_LOSSES = 3;

// It cannot go on by itself. `kind`: "token", "refused" or "unknown"; `message` is for people.
export class Failed extends Error {
  constructor(kind, words) {
    super(words);
    this.kind = kind;
  }
}

// Brings `file` to the worker and answers with the id of the upload once all of it is there.
//
// `id`: the upload to go on with, or null. `whole`: whether all bytes may have arrived already.
// `on`: { created(id), lost(), offset(bytes), moved(bytes), whole(is), waiting(words, seconds), working() }; `offset` is what the
// worker has, `moved` what has left the browser.
// `pause(seconds, signal)`: waits, perhaps for less.
export function upload(options) {
  return new Upload(options).run();
}

class Upload {
  constructor({ tus, file, id = null, whole = false, values, signal, on, pause }) {
    Object.assign(this, { tus, file, id, whole, values, signal, on, pause });
    // Where the next byte goes; null if the worker must be asked.
    this.offset = null;
    this.furthest = 0;
    this.failures = 0;
    this.losses = 0;
    this.smaller = 0;
  }

  async run() {
    for (;;) {
      try {
        if (await this.step()) return this.id;
      } catch (error) {
        if (this.signal.aborted) throw new Aborted();
        await this.recover(error);
      }
    }
  }

  // One request further. Whether all is there.
  async step() {
    if (this.id === null) {
      this.doing = "create";
      this.id = await this.tus.create(this.file.size, this.values, this.signal);
      this.on.created(this.id);
      this.reached(0);
    } else if (this.offset === null) {
      this.doing = "ask";
      const { offset, length } = await this.tus.offset(this.id, this.signal);
      if (length !== null && length !== this.file.size) {
        this.lose();
        return false;
      }
      if (offset < this.file.size && this.whole) this.isWhole(false);
      this.reached(offset);
    }
    if (this.offset >= this.file.size) return true;
    await this.append();
    return this.offset >= this.file.size;
  }

  async append() {
    this.doing = "append";
    const begin = this.offset;
    const end = Math.min(this.file.size, begin + (SMALLER[this.smaller - 1] ?? Infinity));
    // Until it has answered nobody knows how far it is.
    this.offset = null;
    this.on.working();
    const reached = await this.tus.append(this.id, begin, this.file.slice(begin, end), {
      signal: this.signal,
      onProgress: (sent) => this.on.moved(begin + sent),
      onSent: () => end === this.file.size && this.isWhole(true),
    });
    this.reached(reached);
  }

  isWhole(is) {
    this.whole = is;
    this.on.whole(is);
  }

  reached(offset) {
    this.offset = offset;
    if (offset > this.furthest) {
      this.furthest = offset;
      this.failures = this.losses = 0;
    }
    this.on.offset(offset);
  }

  // The worker does not have this upload: another one, from the beginning.
  lose() {
    this.id = this.offset = null;
    this.furthest = 0;
    this.on.lost();
    this.on.offset(0);
  }

  async recover(error) {
    this.offset = null;
    if (error instanceof Unreachable) {
      if (!(await readable(this.file))) throw new Failed("refused", TEXTS.changed);
      return this.wait(TEXTS.unreachable, 0);
    }
    if (!(error instanceof Refused)) throw error;
    const { status, words, retryAfter } = error;
    if (status === 401) throw new Failed("token", words || TEXTS.tokenUnknown);
    if (status === 404 || status === 410 || (status === 403 && this.doing === "ask")) return this.gone();
    if (status === 413) return this.tooLarge(error);
    if (status === 409 || status === 423) return this.wait(words || TEXTS.busy, retryAfter);
    if (status === 408 || status === 429 || status >= 500) return this.wait(words || TEXTS.stopped(status), retryAfter);
    if (status === 403) throw new Failed("refused", words ? TEXTS.forbidden(words) : TEXTS.refused(status));
    throw new Failed("refused", words || (error.answer.ok ? TEXTS.badAnswer : TEXTS.refused(status)));
  }

  gone() {
    if (this.doing === "create") throw new Failed("refused", TEXTS.noTus);
    // It may be in the channel: sending it again is for a person to decide.
    if (this.whole) throw new Failed("unknown", TEXTS.gone);
    this.losses += 1;
    if (this.losses > MOST_LOSSES) throw new Failed("refused", TEXTS.keepsForgetting);
    this.lose();
  }

  tooLarge({ answer, words }) {
    const between = this.doing === "append" && !answer.header("Tus-Resumable");
    if (!between) throw new Failed("refused", words ? TEXTS.tooLargeFor(words) : TEXTS.refused(413));
    while (this.smaller < SMALLER.length) {
      this.smaller += 1;
      // One that changes the body's size.
      if (SMALLER[this.smaller - 1] < this.file.size - this.furthest) return;
    }
    throw new Failed("refused", TEXTS.tooLargeBetween);
  }

  async wait(words, atLeast) {
    const usual = PAUSES[Math.min(this.failures, PAUSES.length - 1)] * (0.8 + Math.random() * 0.4);
    this.failures += 1;
    const seconds = Math.max(usual, atLeast);
    this.on.waiting(sentence(words), seconds);
    await this.pause(seconds, this.signal);
    this.on.working();
  }
}

// Errors of the worker are no sentences: they begin in lower case and end without a stop.
export function sentence(words) {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

// A file that was changed or removed after it was chosen breaks a request as a dead line does.
async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
