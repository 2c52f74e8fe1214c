// One file in the channel, as the worker lists it, and what can be done with it.

import { shown } from "./format.js";

// How files are shown whose type nobody said, by the ends of their names.
const ENDS = {
  video: ["mp4", "m4v", "mov", "webm", "mkv", "ogv"],
  audio: ["mp3", "m4a", "aac", "ogg", "oga", "opus", "flac", "wav"],
  image: ["jpg", "jpeg", "png", "gif", "webp", "avif", "bmp", "svg"],
};

// Which element shows a file: "video", "audio", "image", or null if none does.
function kindOf(type, name) {
  const said = /^(video|audio|image)\//i.exec(type ?? "")?.[1].toLowerCase();
  if (said) return said;
  // A type that says something else is believed; this one says nothing.
  if (type && type !== "application/octet-stream") return null;
  const end = name.split(".").pop().toLowerCase();
  return Object.keys(ENDS).find((kind) => ENDS[kind].includes(end)) ?? null;
}

export class Stored {
  // Whether the worker is asked for something at the moment.
  busy = false;
  // What went wrong with it last, in words.
  problem = "";

  constructor({ id, fileName, size, mimeType = null, createdAt, messages = [], encrypted = false, compressed = false }) {
    Object.assign(this, { id, name: fileName, size, encrypted, compressed });
    this.shown = shown(fileName);
    this.kind = kindOf(mimeType, fileName);
    this.messages = messages.length;
    this.at = new Date(createdAt);
  }

  // A page of the list: { files, cursor }; null if that is none.
  static page(answer) {
    if (!Array.isArray(answer?.files)) return null;
    return { files: answer.files.map((file) => new Stored(file)), cursor: answer.cursor ?? null };
  }

  actions() {
    const shows = { video: "play", audio: "play", image: "show" }[this.kind];
    return [...(shows ? [shows] : []), "download", "link", "delete"];
  }
}
