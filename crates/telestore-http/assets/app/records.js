// What this browser remembers of uploads, so that they go on after a reload: by path, size and time of the file, and by where
// the worker is. No bytes and no tokens.

// How long an upload is remembered that nobody goes on with, and one that was sent.
const KEPT = { up: 7, whole: 7, sent: 1 };
const DAY = 24 * 60 * 60 * 1000;

export class Records {
  #prefix;
  #storage;
  #now;

  // `place`: where the worker is. `storage` may be missing, full or forbidden: then nothing is remembered.
  constructor(place, storage, now = Date.now) {
    this.#prefix = `telestore ${place} `;
    this.#storage = storage;
    this.#now = now;
  }

  // Files are the same if all of this is. Other programs may have changed the bytes and kept it; people do not.
  key({ name, path, size, mtime }) {
    return this.#prefix + JSON.stringify([path || name, size, mtime]);
  }

  // What is remembered of a file, unless it is too old or no record.
  get(key) {
    const record = this.#try(() => JSON.parse(this.#storage.getItem(key)));
    const good = record && typeof record.name === "string" && record.size > 0 && KEPT[record.state];
    return good && this.#now() - record.at < KEPT[record.state] * DAY ? record : undefined;
  }

  put(key, record) {
    this.#try(() => this.#storage.setItem(key, JSON.stringify({ ...record, at: this.#now() })));
  }

  delete(key) {
    this.#try(() => this.#storage.removeItem(key));
  }

  clear() {
    for (const [key] of this.all()) this.delete(key);
  }

  // [key, record] of all that are not too old, the oldest first.
  all() {
    const found = [];
    for (const key of this.#keys()) {
      const record = this.get(key);
      if (record) found.push([key, record]);
      else this.delete(key);
    }
    return found.sort(([, a], [, b]) => a.at - b.at);
  }

  #keys() {
    const keys = this.#try(() => Array.from({ length: this.#storage.length }, (_, index) => this.#storage.key(index)));
    return (keys ?? []).filter((key) => key?.startsWith(this.#prefix));
  }

  #try(act) {
    try {
      return act();
    } catch {
      return undefined;
    }
  }
}

// The token, for as long as the tab lives, or longer if the user wants that. It goes nowhere but into a header.
export class Token {
  #name;
  #brief;
  #long;

  constructor(place, brief, long) {
    this.#name = `telestore-token ${place}`;
    this.#brief = brief;
    this.#long = long;
    this.value = this.#read(brief) ?? this.#read(long) ?? "";
  }

  set(value, remembered) {
    this.forget();
    this.value = value;
    try {
      (remembered ? this.#long : this.#brief).setItem(this.#name, value);
    } catch {
      // It lives as long as the page, then.
    }
  }

  forget() {
    this.value = "";
    for (const storage of [this.#brief, this.#long]) {
      try {
        storage.removeItem(this.#name);
      } catch {
        // Nothing is there.
      }
    }
  }

  #read(storage) {
    try {
      return storage.getItem(this.#name);
    } catch {
      return null;
    }
  }
}
