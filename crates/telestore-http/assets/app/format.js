// Numbers, times and names as people read them.

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

// 12.3 MiB
export function size(bytes) {
  let [value, unit] = [bytes, 0];
  while (value >= 1023.95 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

// A limit, which must not be rounded up: 2000 MiB.
export function limit(bytes) {
  const mebibytes = bytes / 1048576;
  return Number.isInteger(mebibytes) ? `${mebibytes} MiB` : size(bytes);
}

export const rate = (bytesPerSecond) => `${size(bytesPerSecond)}/s`;

// 45 s, 3 min, 2 h 5 min. Rounded up, so that it never says 0 of what is not there yet.
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours >= 48) return `${Math.round(hours / 24)} days`;
  return rest ? `${hours} h ${rest} min` : `${hours} h`;
}

// 22 Nov 2026, 05:40
export const when = (time) => new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

// Whole percent; 100 only for all of it.
export function percent(part, whole) {
  if (!(whole > 0)) return 0;
  return part >= whole ? 100 : Math.min(99, Math.max(0, Math.floor((part / whole) * 100)));
}

const HIDDEN = /[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

// A name as a person may see it: what turns text around, breaks the line or has no width stands there as an escape.
export const shown = (name) => name.replace(HIDDEN, (hidden) => `\\u{${hidden.codePointAt(0).toString(16)}}`);

// How fast something grows, over the last seconds.
export class Speed {
  #marks = [];
  #window;

  constructor(windowSeconds = 8) {
    this.#window = windowSeconds;
  }

  // `total` at `now`, in seconds of any clock that only goes forward.
  mark(total, now) {
    const marks = this.#marks;
    // What is less than before was begun anew, or comes from what the worker has.
    if (marks.length && total < marks.at(-1).total) marks.length = 0;
    if (marks.length > 1 && now - marks.at(-2).now < 0.2) marks.pop();
    marks.push({ total, now });
    while (marks.length > 2 && now - marks[1].now >= this.#window) marks.shift();
  }

  reset() {
    this.#marks.length = 0;
  }

  // Bytes per second; 0 as long as nothing can be said.
  at(now) {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    const seconds = first ? now - first.now : 0;
    return seconds < 0.5 ? 0 : (last.total - first.total) / seconds;
  }
}
