// Where files come from: the two buttons, a drop anywhere on the page, and the clipboard; and the options that go with them.

import { fromDrop, fromInput } from "./files.js";
import { TEXTS } from "./texts.js";

const $ = (id) => document.getElementById(id);

export class Chooser {
  #queue;
  #access;
  #say;

  constructor({ queue, access, say }) {
    [this.#queue, this.#access, this.#say] = [queue, access, say];
    for (const id of ["files", "folder"]) {
      $(id).addEventListener("change", ({ target }) => {
        const found = fromInput(target.files);
        // The same ones may be chosen again.
        target.value = "";
        this.#add(found);
      });
    }
    // Phones have no folders to choose.
    $("folder-pick").hidden = !("webkitdirectory" in $("folder"));
    $("topic").addEventListener("input", () => this.#options());
    this.#drops();
    document.addEventListener("paste", (event) => {
      if (event.clipboardData?.files.length) this.#add(fromInput(event.clipboardData.files));
    });
  }

  #drops() {
    let depth = 0;
    const over = (is) => $("choose").classList.toggle("over", is);
    const files = (event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragenter", (event) => files(event) && over(++depth > 0));
    document.addEventListener("dragleave", (event) => files(event) && over(--depth > 0));
    document.addEventListener("dragover", (event) => files(event) && event.preventDefault());
    document.addEventListener("drop", async (event) => {
      if (!files(event)) return;
      // Without this the browser leaves the page for the file.
      event.preventDefault();
      over((depth = 0));
      this.#add(await fromDrop(event.dataTransfer));
    });
  }

  // The options of the messages, or null if one is malformed.
  #options() {
    const topic = $("topic").value.trim();
    const bad = topic !== "" && !/^[1-9]\d{0,9}$/.test(topic);
    $("topic").setAttribute("aria-invalid", String(bad));
    $("topic").setCustomValidity(bad ? TEXTS.badTopic : "");
    const given = (id) => $(id).value || null;
    return bad ? null : { caption: given("caption"), topicId: topic || null, silent: given("silent"), sendAs: given("send-as") };
  }

  async #add(found) {
    const options = this.#options();
    if (!options) {
      $("options").open = true;
      $("topic").reportValidity();
      return this.#note([TEXTS.badTopic]);
    }
    const { added, already } = await this.#queue.add(found.files, options);
    const words = [];
    if (added) words.push(TEXTS.added(added));
    if (already) words.push(TEXTS.alreadyThere(already));
    if (found.leftOut) words.push(TEXTS.leftOut(found.leftOut));
    if (found.unreadable) words.push(TEXTS.unreadable(found.unreadable));
    this.#note(words.length ? words : [TEXTS.nothingFound], found.files.length === added && added > 0 && !found.unreadable);
    this.#access.need();
  }

  #note(words, asExpected = false) {
    this.#say(words.join(" "));
    // What went as one expects is seen in the list.
    $("choose-note").hidden = asExpected;
    $("choose-note").textContent = words.join(" ");
  }
}
