// A file while it is played or shown: the address that its bytes come from, and what is done when they stop. It knows no page.

import { Aborted } from "./http.js";
import { causeOf, passes, problemOf } from "./problems.js";
import { TEXTS } from "./texts.js";

// How often it is tried to go on without any progress, and the longest pause before that, in seconds.
const TRIES = 6;
const LONGEST = 30;

export class Playing {
  address = null;
  #run = new AbortController();
  #tries = 0;
  #furthest = 0;

  // `on`: { waiting(words) }.
  constructor(file, library, on) {
    Object.assign(this, { file, library, on });
  }

  // Nobody looks at it any more: what is awaited rejects with Aborted.
  end() {
    this.#run.abort();
  }

  // Where it is, for the first time or once more. { address }, or { words } if there is none.
  begin() {
    this.#tries = 0;
    return this.#until(() => this.#link());
  }

  // The browser stopped `at` so many seconds; `cannot`: it says that it does not understand the bytes.
  // { address } to go on from there, or { words }.
  async stopped(at, cannot) {
    if (at > this.#furthest) this.#tries = 0;
    this.#furthest = Math.max(this.#furthest, at);
    if (this.#tries >= TRIES) return { words: TEXTS.playStops };
    this.#tries += 1;
    return this.#until(async () => {
      const ended = await this.#isOver();
      if (ended) return this.#link();
      return cannot ? { words: TEXTS.cannot[this.file.kind] } : { address: this.address };
    });
  }

  // Whether the link has ended, or was never made.
  async #isOver() {
    if (!this.address) return true;
    try {
      await this.library.check(this.address, this.#run.signal);
      return false;
    } catch (error) {
      if (error.status === 403) return true;
      throw error;
    }
  }

  async #link() {
    this.address = await this.library.address(this.file);
    return { address: this.address };
  }

  // Does that, again and again where that can help.
  async #until(act) {
    const { signal } = this.#run;
    for (;;) {
      try {
        const done = await act();
        if (signal.aborted) throw new Aborted();
        return done;
      } catch (error) {
        if (signal.aborted || error instanceof Aborted) throw new Aborted();
        if (!passes(error) || this.#tries >= TRIES) return { words: problemOf(error) };
        this.#tries += 1;
        const seconds = Math.min(LONGEST, Math.max(Math.ceil(error.retryAfter ?? 0), 2 ** this.#tries));
        this.on.waiting(TEXTS.again(causeOf(error), seconds));
        await this.library.pause(seconds, signal);
      }
    }
  }
}
