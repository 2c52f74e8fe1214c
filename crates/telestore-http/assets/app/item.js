// One file of the list: what state it is in, and what can be done with it.

import { Speed, percent, shown } from "./format.js";

// waiting    for a place
// uploading  to the worker; with `retry`, it waits for the next try
// paused
// missing    the worker has a part, and the browser has no file: it must be chosen again
// sending    the worker has all of it, and sends it to Telegram
// sent       it is in the channel; `since`: for longer than this page is open; `skipped`: it was chosen once more
// failed     `error` says why; `again`: what to do about it: "upload", "complete", "cancel", "add", or nothing
// unknown    it may be in the channel: `error` says so
// cancelling, cancelled

// What is not over.
const OPEN = new Set(["waiting", "uploading", "paused", "missing", "sending", "cancelling"]);

export class Item {
  state = "waiting";
  error = "";
  again = "upload";
  id = null;
  // Whether all bytes have left the browser, so that they may all be there.
  whole = false;
  // Bytes that the worker has, as far as is known.
  there = 0;
  retry = null;
  telegram = null;
  messageId = null;
  url = null;
  since = null;
  skipped = false;
  run = null;
  wake = null;
  speed = new Speed();

  constructor({ key, name, path, size, file = null, values = {} }) {
    Object.assign(this, { key, name, path, size, file, values });
    this.shown = shown(name);
    // The folders, without the name.
    this.folder = shown(path.split("/").slice(0, -1).join("/"));
  }

  get open() {
    return OPEN.has(this.state);
  }

  get percent() {
    return percent(this.there, this.size);
  }

  // What is to be remembered of it.
  record() {
    const { name, path, size, id, there, messageId, url } = this;
    const state = this.state === "sent" ? "sent" : this.whole ? "whole" : "up";
    return { name, path, size, id, there, messageId, url, state };
  }

  // As it was remembered.
  static restored(key, record) {
    const item = new Item({ key, name: record.name, path: record.path ?? "", size: record.size });
    Object.assign(item, { id: record.id ?? null, there: record.there ?? 0, whole: record.state === "whole" });
    item.state = { up: "missing", whole: "sending", sent: "sent" }[record.state];
    if (item.state === "sent") item.arrived(record, record.at);
    return item;
  }

  // It is in the channel; `since`: known to be there from then on.
  arrived({ messageId = null, url = null }, since = null) {
    Object.assign(this, { state: "sent", messageId, url: safe(url), since, error: "", telegram: null, retry: null });
    this.there = this.size;
  }

  fail(error, again, state = "failed") {
    Object.assign(this, { state, error, again, retry: null, telegram: null });
  }

  // From the beginning, as another upload.
  forget() {
    Object.assign(this, { id: null, whole: false, there: 0, since: null, skipped: false, messageId: null, url: null, telegram: null });
  }

  // At most two: what leads on, and what ends it.
  actions() {
    switch (this.state) {
      case "waiting": return ["pause", "cancel"];
      case "uploading": return [this.retry ? "tryNow" : "pause", "cancel"];
      case "paused": return ["resume", "cancel"];
      case "missing": return [null, "forget"];
      case "sending": return [null, "cancel"];
      case "sent": return [this.skipped ? "sendAgain" : null, "remove"];
      case "failed": return [this.again ? "tryAgain" : null, "remove"];
      case "unknown": return ["sendAgain", "remove"];
      case "cancelled": return [this.file ? "sendAgain" : null, "remove"];
      default: return [null, null];
    }
  }
}

// A link that leads to a page, and runs nothing.
function safe(url) {
  return typeof url === "string" && /^https?:\/\//i.test(url) ? url : null;
}

// The list in figures. What is only missing counts for nothing.
export function summary(items) {
  const all = { files: 0, bytes: 0, there: 0, sent: 0, failed: 0, receiving: 0, waiting: 0, left: 0, sending: 0, paused: 0, missing: 0 };
  for (const item of items) {
    const { state } = item;
    if (state === "missing") all.missing += 1;
    if (["missing", "cancelled", "cancelling"].includes(state)) continue;
    all.files += 1;
    if (state === "failed" || state === "unknown") {
      all.failed += 1;
      continue;
    }
    all.bytes += item.size;
    all.there += item.there;
    if (state === "sent") all.sent += 1;
    if (state === "sending") all.sending += 1;
    if (state === "paused") all.paused += 1;
    if (state === "waiting") all.waiting += 1;
    if (state === "uploading") all.receiving += 1;
    if (state === "waiting" || state === "uploading") all.left += item.size - item.there;
  }
  return all;
}

