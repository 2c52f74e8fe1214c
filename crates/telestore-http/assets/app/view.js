// The list on the page: rows that follow the items, and the line of the whole.

import { size } from "./format.js";
import { summary } from "./item.js";
import { TEXTS } from "./texts.js";
import { stateOf, wholeOf } from "./words.js";

// Changes are shown this often at most, in milliseconds; what runs by time, too.
const PACE = 250;

// Rows at first. Files that wait beyond these get theirs when their turn comes.
const ROWS = 300;

const $ = (id) => document.getElementById(id);

// Writes only what is new, since screen readers and selections hear of each write.
export function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

export class View {
  #queue;
  #rows = new Map();
  #changed = new Set();
  #timer = null;
  #listed = false;

  constructor(queue) {
    this.#queue = queue;
    $("list").addEventListener("click", ({ target }) => this.#clicked(target.closest("button")));
  }

  change(item) {
    this.#changed.add(item);
    this.#soon();
  }

  // Items came or went.
  list() {
    this.#listed = true;
    this.#soon();
  }

  #soon() {
    this.#timer ??= setTimeout(() => this.#show(), PACE);
  }

  #show() {
    this.#timer = null;
    const { items } = this.#queue;
    const now = this.#queue.now();
    if (this.#listed) this.#sync(items);
    this.#listed = false;
    for (const item of items) {
      const moves = item.state === "uploading" || item.state === "sending";
      if (moves || this.#changed.has(item)) this.#fill(item, now);
    }
    this.#changed.clear();
    this.#whole(items, now);
    if (items.some(({ state }) => state === "uploading" || state === "sending")) this.#soon();
  }

  // The rows of items that are gone go, and new items get rows at the end.
  #sync(items) {
    const there = new Set(items);
    for (const [item, row] of this.#rows) if (!there.has(item)) this.#remove(item, row);
    for (const item of items) if (!this.#rows.has(item)) this.#changed.add(item);
  }

  #remove(item, row) {
    const focused = row.contains(document.activeElement);
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.#rows.delete(item);
    // Who removes one with the keyboard goes on with the next.
    if (focused) (next?.querySelector("button:not([hidden])") ?? $("list-title")).focus();
  }

  #row(item) {
    const known = this.#rows.get(item);
    if (known || (item.state === "waiting" && this.#rows.size >= ROWS)) return known;
    const row = $("row").content.firstElementChild.cloneNode(true);
    row.querySelector(".name").textContent = item.shown;
    row.querySelector(".size").textContent = size(item.size);
    row.querySelector(".folder").textContent = item.folder;
    row.querySelector("progress").setAttribute("aria-label", TEXTS.barFor(item.shown));
    row.item = item;
    this.#rows.set(item, row);
    $("list").append(row);
    return row;
  }

  #fill(item, now) {
    const row = this.#row(item);
    if (!row) return;
    const [words, percent] = stateOf(item, now);
    row.dataset.state = item.state;
    text(row.querySelector(".text"), words);
    const bar = row.querySelector("progress");
    if (bar.value !== percent) bar.value = percent;
    const link = row.querySelector(".link");
    link.hidden = !item.url;
    if (item.url && link.getAttribute("href") !== item.url) {
      link.href = item.url;
      link.textContent = TEXTS.open;
      link.setAttribute("aria-label", TEXTS.actionFor(TEXTS.open, item.shown));
    }
    const actions = item.actions();
    row.querySelectorAll("button").forEach((button, index) => this.#button(button, actions[index], item));
  }

  #button(button, action, item) {
    if (button.dataset.action === (action ?? "")) return;
    const focused = document.activeElement === button;
    button.dataset.action = action ?? "";
    button.hidden = !action;
    if (action) {
      button.textContent = TEXTS[action];
      button.setAttribute("aria-label", TEXTS.actionFor(TEXTS[action], item.shown));
    } else if (focused) {
      (button.parentElement.querySelector("button:not([hidden])") ?? $("list-title")).focus();
    }
  }

  #clicked(button) {
    const { item } = button?.closest("li") ?? {};
    if (item) this.#queue.act(item, button.dataset.action);
  }

  #whole(items, now) {
    $("list-card").hidden = items.length === 0;
    const all = summary(items);
    const whole = wholeOf(all, this.#queue.speed, now);
    $("whole-bar").hidden = $("whole-text").hidden = all.files === 0;
    if ($("whole-bar").value !== whole.percent) $("whole-bar").value = whole.percent;
    text($("whole-text"), whole.text);
    text($("whole-note"), whole.note);
    $("whole-note").hidden = !whole.note;
    const rest = items.length - this.#rows.size;
    $("list-more").hidden = rest <= 0;
    text($("list-more"), rest > 0 ? TEXTS.more(rest) : "");
    this.#buttons(items, all, whole);
    const title = whole.active ? TEXTS.title(whole.percent) : TEXTS.titleAtRest;
    if (document.title !== title) document.title = title;
  }

  #buttons(items, all, whole) {
    const pause = $("pause-all");
    const resumes = !whole.active && all.paused > 0;
    pause.hidden = !whole.active && !resumes;
    pause.dataset.action = resumes ? "resume" : "pause";
    text(pause, resumes ? TEXTS.resumeAll : TEXTS.pauseAll);
    $("clear").hidden = !items.some(({ state }) => state === "sent" || state === "cancelled");
  }
}

// One line that screen readers read, once a second at most.
export class Status {
  #waiting = [];
  #timer = null;

  say(words) {
    this.#waiting.push(words);
    this.#timer ??= setTimeout(() => this.#speak(), 300);
  }

  #speak() {
    const some = this.#waiting.splice(0, this.#waiting.length);
    // Of many the last ones, since they say how it ended.
    const rest = some.length - 3;
    const words = rest > 0 ? [...some.slice(-3), TEXTS.saysMany(rest)] : some;
    $("status").textContent = words.join(" ");
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#waiting.length) this.#speak();
    }, 1000);
  }
}
