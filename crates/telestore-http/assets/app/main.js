// The page: its parts, put together. Where the worker is follows from where this file is, so that any path before /app will do.

import { Access } from "./access.js";
import { save } from "./browser.js";
import { Chooser } from "./chooser.js";
import { closeAll } from "./dialogs.js";
import { limit } from "./format.js";
import { Library } from "./library.js";
import { Queue } from "./queue.js";
import { Records, Token } from "./records.js";
import { Shelf } from "./shelf.js";
import { Tabs } from "./tabs.js";
import { TEXTS } from "./texts.js";
import { Tus } from "./tus.js";
import { Status, View } from "./view.js";
import { Worker } from "./worker.js";

const $ = (id) => document.getElementById(id);

// This file is at …/app/<version>/main.js.
const root = new URL("../../", import.meta.url);
const storage = (name) => {
  try {
    return window[name];
  } catch {
    // Forbidden by the browser.
    return null;
  }
};

const token = new Token(root.pathname, storage("sessionStorage"), storage("localStorage"));
const authorization = () => (token.value ? { Authorization: `Bearer ${token.value}` } : {});
const worker = new Worker(root, authorization);
const tus = new Tus(new URL("tus", root), authorization);
const status = new Status();
const say = (words) => status.say(words);
const asksToken = (words) => {
  // It is asked for on the page, which a dialog keeps from being used.
  closeAll();
  access.ask(words);
};

const tabs = new Tabs(() => queue.mine());
const queue = new Queue({ tus, worker, tabs, records: new Records(root.pathname, storage("localStorage")) }, {
  change: (item) => view.change(item),
  list: () => view.list(),
  sent: () => library.refresh(),
  say,
  token: asksToken,
});
const library = new Library({ worker }, { change: () => shelf.change(), say, token: asksToken, save });
const view = new View(queue);
const shelf = new Shelf(library);
const access = new Access({ token, tus, queue, library, say });
new Chooser({ queue, access, say });

$("pause-all").addEventListener("click", ({ target }) => (target.dataset.action === "resume" ? queue.resumeAll() : queue.pauseAll()));
$("clear").addEventListener("click", () => {
  queue.clearFinished();
  $("list-title").focus();
});
window.addEventListener("online", () => {
  queue.hurry();
  library.hurry();
});
// Files may have come from elsewhere since somebody looked.
document.addEventListener("visibilitychange", () => document.hidden || library.refresh());
window.addEventListener("pagehide", () => queue.remember());
window.addEventListener("beforeunload", (event) => {
  if (queue.interruptible) event.preventDefault();
});

// The largest file is known before any is chosen, so that none is sent in vain.
async function learnLimit() {
  try {
    queue.maxSize = await tus.maxSize();
    if (queue.maxSize) $("limit").textContent = TEXTS.limit(limit(queue.maxSize));
  } catch {
    // The worker refuses what is too large, then.
  }
}

learnLimit();
await queue.restore();
access.begin();
