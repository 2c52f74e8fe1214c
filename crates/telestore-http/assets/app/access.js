// The token: asked for, checked, kept and forgotten.

import { Refused } from "./http.js";
import { TEXTS } from "./texts.js";
import { sentence } from "./upload.js";

const $ = (id) => document.getElementById(id);

export class Access {
  #token;
  #tus;
  #queue;
  #library;
  #say;

  constructor({ token, tus, queue, library, say }) {
    [this.#token, this.#tus, this.#queue, this.#library, this.#say] = [token, tus, queue, library, say];
    $("access-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submitted();
    });
    $("sign-out").addEventListener("click", () => this.#signOut());
  }

  // Goes on with the token that is kept, or asks for one.
  begin() {
    if (!this.#token.value) return this.#show();
    this.#accepted();
  }

  // The token of before is not valid (any more).
  ask(words) {
    this.#token.forget();
    this.#queue.lock();
    this.#library.lock();
    this.#show();
    this.#error(words ? `${TEXTS.tokenUnknown} (${words})` : TEXTS.tokenUnknown);
    $("token").focus();
  }

  // Whether files can be sent. If not, the user is led to the token.
  need() {
    if (this.#token.value) return true;
    this.#show();
    this.#error(TEXTS.tokenNeeded);
    $("token").focus();
    return false;
  }

  async #submitted() {
    const value = $("token").value.trim();
    if (!value) return this.need();
    this.#error("");
    $("token-use").disabled = true;
    this.#say(TEXTS.tokenChecking);
    try {
      await this.#tus.check(value);
      this.#token.set(value, $("token-keep").checked);
      $("token").value = "";
      this.#accepted();
      $("files").focus();
    } catch (error) {
      this.#error(why(error));
      $("token").focus();
    } finally {
      $("token-use").disabled = false;
    }
  }

  #accepted() {
    $("access").hidden = true;
    $("sign-out").hidden = false;
    this.#queue.unlock();
    this.#library.unlock();
  }

  #show() {
    $("access").hidden = false;
    $("sign-out").hidden = true;
  }

  #error(words) {
    $("token-error").textContent = words;
    if (words) $("token").setAttribute("aria-invalid", "true");
    else $("token").removeAttribute("aria-invalid");
  }

  #signOut() {
    if (this.#queue.interruptible && !confirm(TEXTS.signOutAsks)) return;
    this.#token.forget();
    this.#queue.clear();
    this.#library.clear();
    this.#show();
    this.#error("");
    this.#say(TEXTS.signedOut);
    $("token").focus();
  }
}

function why(error) {
  if (!(error instanceof Refused)) return TEXTS.tokenUnreachable;
  if (error.status === 401) return TEXTS.tokenUnknown;
  return error.words ? TEXTS.tokenRefused(sentence(error.words)) : TEXTS.tokenLater;
}
