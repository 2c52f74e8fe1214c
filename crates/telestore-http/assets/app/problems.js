// What is said of a call about files that failed: what is wrong, and what to do.

import { duration } from "./format.js";
import { Refused } from "./http.js";
import { TEXTS } from "./texts.js";
import { sentence } from "./upload.js";

// Whether it may go well by itself a moment later.
export const passes = (error) => !(error instanceof Refused) || error.status === 429 || error.status >= 500;

// What is wrong, for somebody who has nothing to do.
export const causeOf = (error) => (error instanceof Refused && error.words ? sentence(error.words) : TEXTS.unreachable);

export function problemOf(error) {
  if (!(error instanceof Refused)) return TEXTS.unreachableNow;
  const { status, retryAfter } = error;
  // Who answers without words is no worker.
  if (!error.words) return TEXTS.noWords(status);
  const words = sentence(error.words);
  switch (status) {
    case 401: return TEXTS.tokenUnknown;
    case 403: return TEXTS.linkOver;
    case 404: return TEXTS.notListed;
    case 409: return TEXTS.notReadable(words);
    case 410: return TEXTS.notThere(words);
    default: return passes(error) ? TEXTS.later(words, retryAfter > 0 ? duration(retryAfter) : "") : words;
  }
}

// Of a deletion: 409 has another reason there.
export function whyNotDeleted(error) {
  if (error instanceof Refused && error.status === 409 && error.words) return TEXTS.notDeleted(sentence(error.words));
  return problemOf(error);
}
