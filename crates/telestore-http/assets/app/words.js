// What is said of a file and of the whole list, as text. It touches no page.

import { duration, percent, rate, size, when } from "./format.js";
import { TEXTS } from "./texts.js";

// [text, percent of the bar] of an item at `now`.
export function stateOf(item, now) {
  switch (item.state) {
    case "waiting": return [TEXTS.waiting, 0];
    case "uploading": return [uploading(item, now), item.percent];
    case "paused": return [TEXTS.paused(item.percent), item.percent];
    case "missing": return [TEXTS.missing(item.percent), item.percent];
    case "sending": return sending(item, now);
    case "sent": return [sent(item), 100];
    case "failed": return [item.error, 0];
    case "unknown": return [item.error, 0];
    case "cancelling": return [TEXTS.cancelling, item.percent];
    default: return [TEXTS.cancelled, 0];
  }
}

function uploading(item, now) {
  if (item.retry) return TEXTS.again(item.retry.words, Math.max(0, Math.ceil(item.retry.at - now)));
  if (!item.id) return TEXTS.beginning;
  return TEXTS.toWorker([TEXTS.percent(item.percent), ...pace(item.speed, item.size - item.there, now)]);
}

function pace(speed, left, now) {
  const bytes = speed.at(now);
  if (!(bytes > 0)) return [];
  return left > 0 ? [rate(bytes), TEXTS.left(duration(left / bytes))] : [rate(bytes)];
}

function sending(item, now) {
  const { telegram } = item;
  if (telegram?.away) return [TEXTS.asking, part(telegram)];
  if (!telegram?.stage) return [TEXTS.toTelegram([TEXTS.stages.queued]), 0];
  const details = [];
  if (telegram.stage === "sending") {
    details.push(TEXTS.percent(part(telegram)), ...pace(item.speed, telegram.bytesTotal - telegram.bytesSent, now));
  } else if (TEXTS.stages[telegram.stage]) details.push(TEXTS.stages[telegram.stage]);
  if (telegram.attempt > 1) details.push(TEXTS.attempt(telegram.attempt));
  if (telegram.retryAt > now) details.push(TEXTS.toTelegramAgain(duration(telegram.retryAt - now)));
  return [TEXTS.toTelegram(details), part(telegram)];
}

function part(telegram) {
  if (telegram.stage === "finishing" || telegram.stage === "done") return 100;
  return telegram.bytesTotal > 0 ? percent(telegram.bytesSent, telegram.bytesTotal) : telegram.progress ?? 0;
}

function sent(item) {
  const words = [item.messageId ? TEXTS.sentAs(item.messageId) : TEXTS.sent];
  if (item.since) words.push(when(item.since));
  if (item.skipped) words.push(TEXTS.skipped);
  return words.join(" · ");
}

// { text, percent, note, active } of the list.
export function wholeOf(all, speed, now) {
  const texts = [TEXTS.whole(all.sent, all.files)];
  if (all.bytes > 0 && all.there < all.bytes) texts.push(TEXTS.wholeBytes(size(all.there), size(all.bytes)));
  if (all.receiving) texts.push(...pace(speed, all.left, now));
  if (all.failed) texts.push(TEXTS.failures(all.failed));
  const received = all.bytes > 0 && all.there >= all.bytes;
  const note = all.sending && received ? TEXTS.mayClose : all.missing ? TEXTS.choosesAgain : "";
  return { text: texts.join(" · "), percent: percent(all.there, all.bytes), note, active: all.receiving + all.waiting > 0 };
}

// What is said of a file in the channel, beside its name.
export function storedOf(file) {
  const words = [size(file.size), when(file.at)];
  if (file.messages > 1) words.push(TEXTS.inMessages(file.messages));
  return words;
}

// What the list of the channel has, in a line.
export function libraryOf({ files, more, answered, loading }) {
  if (answered === null) return loading ? TEXTS.listing : "";
  return TEXTS.found(files.length, more, answered);
}
