// What is asked about a file in the channel: how long a link to it lasts, and whether it is deleted.

import { copy } from "./browser.js";
import { when } from "./format.js";
import { problemOf } from "./problems.js";
import { TEXTS } from "./texts.js";

const $ = (id) => document.getElementById(id);

// Opens a dialog for a file that names itself in it. Escape and its button close it, and the focus goes back by itself.
export function open(dialog, file) {
  dialog.querySelector(".file").textContent = file.shown;
  dialog.showModal();
}

// Whatever is asked at the moment is of no use any more.
export function closeAll() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

for (const button of document.querySelectorAll("dialog .close")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

export class LinkDialog {
  #library;
  #file = null;

  constructor(library) {
    this.#library = library;
    $("link-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make(this.#file);
    });
    $("link-dialog").addEventListener("close", () => (this.#file = null));
  }

  open(file) {
    this.#file = file;
    this.#say("");
    $("link-made").hidden = true;
    $("link-address").value = "";
    open($("link-dialog"), file);
  }

  async #make(file) {
    this.#say(TEXTS.linking);
    try {
      const { address, until } = await this.#library.link(file, Number($("link-ends").value));
      // It was closed meanwhile, and may be open for another file.
      if (this.#file !== file) return;
      $("link-made").hidden = false;
      $("link-address").value = address;
      const copied = await copy($("link-address"));
      this.#say((copied ? TEXTS.linkCopied : TEXTS.linkShown)(when(until)));
    } catch (error) {
      if (this.#file === file) this.#say(problemOf(error), true);
    }
  }

  #say(words, bad = false) {
    $("link-note").textContent = words;
    $("link-note").classList.toggle("bad", bad);
  }
}

export class DeleteDialog {
  #library;
  #file = null;
  #deleting = null;

  constructor(library) {
    this.#library = library;
    $("delete-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#deleting !== this.#file) this.#delete(this.#file);
    });
    $("delete-dialog").addEventListener("close", () => (this.#file = null));
  }

  open(file) {
    this.#file = file;
    $("delete-keep").checked = false;
    this.#say("");
    open($("delete-dialog"), file);
  }

  async #delete(file) {
    this.#deleting = file;
    this.#say(TEXTS.deleting);
    const words = await this.#library.delete(file, $("delete-keep").checked, () => {
      // Closed before its row goes, so that the focus goes back to it, and from there on.
      if (this.#file === file) $("delete-dialog").close();
    });
    this.#deleting = null;
    if (this.#file === file) this.#say(words, true);
  }

  #say(words, bad = false) {
    $("delete-note").textContent = words;
    $("delete-note").classList.toggle("bad", bad);
  }
}
