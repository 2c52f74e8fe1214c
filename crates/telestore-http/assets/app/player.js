// A file that is played or shown, in a dialog. Its bytes come from a link, which is made anew when it ends.

import { open } from "./dialogs.js";
import { Aborted } from "./http.js";
import { Playing } from "./playing.js";
import { TEXTS } from "./texts.js";

const $ = (id) => document.getElementById(id);

// As MediaError has it: the line broke.
const LINE = 2;

export class Player {
  #library;
  #playing = null;
  #element = null;
  // Whether somebody has paused it.
  #paused = false;

  constructor(library) {
    this.#library = library;
    $("player").addEventListener("close", () => this.#end());
    $("player-download").addEventListener("click", () => {
      const { file } = this.#playing;
      // What comes of it stands in the list.
      $("player").close();
      library.download(file);
    });
    $("player-again").addEventListener("click", () => this.#from(() => this.#playing.begin()));
  }

  open(file) {
    this.#playing = new Playing(file, this.#library, { waiting: (words) => this.#say(words) });
    open($("player"), file);
    this.#paused = false;
    this.#element = this.#made(file);
    $("player-stage").replaceChildren(this.#element);
    this.#from(() => this.#playing.begin());
  }

  #made(file) {
    const element = document.createElement(file.kind === "image" ? "img" : file.kind);
    if (file.kind === "image") {
      element.alt = file.shown;
      element.addEventListener("load", () => this.#say(""));
    } else {
      element.setAttribute("aria-label", file.shown);
      Object.assign(element, { controls: true, autoplay: true, playsInline: true });
      element.addEventListener("loadeddata", () => this.#say(""));
      element.addEventListener("play", () => (this.#paused = false));
      // A browser pauses what broke, too.
      element.addEventListener("pause", () => (this.#paused ||= !element.error));
    }
    element.addEventListener("error", () => {
      const { currentTime = 0, error } = element;
      const cannot = error?.code !== LINE;
      if (this.#element === element) this.#from(() => this.#playing.stopped(currentTime, cannot), currentTime);
    });
    return element;
  }

  // Goes on from an address, at this time; or says why there is none.
  async #from(asks, time = this.#element.currentTime ?? 0) {
    const [playing, element] = [this.#playing, this.#element];
    this.#say(TEXTS.opening);
    $("player-again").hidden = true;
    try {
      const { address, words } = await asks();
      if (words) {
        $("player-again").hidden = false;
        return this.#say(words);
      }
      if (time > 0) {
        // Where it was, and as it was.
        element.autoplay = !this.#paused;
        element.addEventListener("loadedmetadata", () => (element.currentTime = time), { once: true });
      }
      element.src = address;
    } catch (error) {
      if (!(error instanceof Aborted)) throw error;
      if (this.#playing === playing) this.#say("");
    }
  }

  #end() {
    this.#playing?.end();
    // Its connection ends with it.
    this.#element?.removeAttribute("src");
    this.#element?.load?.();
    $("player-stage").replaceChildren();
    this.#playing = this.#element = null;
  }

  #say(words) {
    $("player-note").textContent = words;
    $("player-note").hidden = !words;
  }
}
