// The list of the channel on the page: rows that follow the files, the search, and what stands around them.

import { DeleteDialog, LinkDialog } from "./dialogs.js";
import { Player } from "./player.js";
import { TEXTS } from "./texts.js";
import { text } from "./view.js";
import { libraryOf, storedOf } from "./words.js";

const $ = (id) => document.getElementById(id);

export class Shelf {
  #library;
  #rows = new Map();
  #acts;

  constructor(library) {
    this.#library = library;
    const [player, link, deletion] = [new Player(library), new LinkDialog(library), new DeleteDialog(library)];
    this.#acts = {
      play: (file) => player.open(file),
      show: (file) => player.open(file),
      download: (file) => library.download(file),
      link: (file) => link.open(file),
      delete: (file) => deletion.open(file),
    };
    $("search").addEventListener("input", ({ target }) => library.search(target.value));
    $("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      library.search($("search").value, { now: true });
    });
    $("library-more").addEventListener("click", () => this.#more());
    $("library-again").addEventListener("click", () => library.hurry());
    $("library").addEventListener("click", ({ target }) => {
      const { action } = target.closest("button")?.dataset ?? {};
      const { file } = target.closest("li") ?? {};
      if (action && file) this.#acts[action](file);
    });
  }

  // Shows what the library has now.
  change() {
    const library = this.#library;
    $("library-card").hidden = library.locked;
    if (library.answered === null && !library.query) $("search").value = "";
    this.#sync(library.files);
    $("library").setAttribute("aria-busy", String(library.loading));
    text($("library-count"), libraryOf(library));
    text($("library-note"), library.note);
    $("library-note").hidden = !library.note;
    text($("library-problem-text"), library.problem);
    $("library-problem").hidden = !library.problem;
    $("library-more").hidden = !library.more;
  }

  // Rows stand in the order of the files; what is gone takes the focus to what comes next.
  #sync(files) {
    const there = new Set(files.map(({ id }) => id));
    let lost = null;
    for (const [id, row] of this.#rows) {
      if (there.has(id)) continue;
      if (row.contains(document.activeElement)) lost = row.nextElementSibling ?? row.previousElementSibling ?? $("library-card");
      row.remove();
      this.#rows.delete(id);
    }
    let next = $("library").firstElementChild;
    for (const file of files) {
      const row = this.#rows.get(file.id) ?? this.#made(file);
      if (row === next) next = next.nextElementSibling;
      else $("library").insertBefore(row, next);
      this.#fill(row, file);
    }
    if (lost) (lost.isConnected && lost.querySelector("button:not([hidden])") || $("library-title")).focus();
  }

  #made(file) {
    const row = $("stored").content.firstElementChild.cloneNode(true);
    row.file = file;
    row.dataset.id = file.id;
    row.querySelector(".name").textContent = file.shown;
    row.querySelector(".facts").textContent = storedOf(file).join(" · ");
    for (const mark of ["encrypted", "compressed"]) {
      if (file[mark]) row.querySelector(".marks").append(this.#mark(TEXTS[mark]), " ");
    }
    const buttons = file.actions().map((action) => this.#button(action, file));
    row.querySelector(".buttons").append(...buttons);
    this.#rows.set(file.id, row);
    return row;
  }

  #mark(words) {
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.textContent = words;
    return mark;
  }

  #button(action, file) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "quiet", textContent: TEXTS[action] });
    button.dataset.action = action;
    button.setAttribute("aria-label", TEXTS.actionFor(TEXTS[action], file.shown));
    return button;
  }

  #fill(row, file) {
    row.setAttribute("aria-busy", String(file.busy));
    text(row.querySelector(".text"), file.busy ? TEXTS.opening : file.problem);
    row.querySelector(".state").hidden = !file.busy && !file.problem;
    row.classList.toggle("failed", Boolean(file.problem) && !file.busy);
  }

  async #more() {
    const first = this.#library.files.length;
    await this.#library.next();
    // With no more to show, who pressed it goes on with the first of the new ones.
    if ($("library-more").hidden && document.activeElement !== $("search")) {
      ($("library").children[first]?.querySelector("button") ?? $("library-title")).focus();
    }
  }
}
