// The files of what was dropped or chosen: [{ file, path }], with the path from the folder on, "" without a folder.

// What systems leave in folders.
const LEFT_OUT = new Set([".ds_store", "thumbs.db", "desktop.ini"]);

class Found {
  files = [];
  leftOut = 0;
  unreadable = 0;

  add(file, path) {
    if (path && LEFT_OUT.has(file.name.toLowerCase())) this.leftOut += 1;
    else this.files.push({ file, path });
  }

  // Folders are read in no order.
  sorted() {
    this.files.sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
    return this;
  }
}

// Of an <input type=file>.
export function fromInput(list) {
  const found = new Found();
  for (const file of list) found.add(file, file.webkitRelativePath ?? "");
  return found.sorted();
}

// Of a drop. What it holds must be asked for before the event is over, so that nothing is awaited before that.
export function fromDrop(transfer) {
  const items = [...(transfer.items ?? [])].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  return entries.length ? collect(entries) : Promise.resolve(fromInput(transfer.files));
}

async function collect(entries) {
  const found = new Found();
  for (const entry of entries) {
    if (entry.isDirectory) await folder(entry, found);
    else await one(entry, "", found);
  }
  return found.sorted();
}

async function one(entry, path, found) {
  try {
    const file = entry instanceof File ? entry : await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.add(file, path);
  } catch {
    found.unreadable += 1;
  }
}

async function folder(top, found) {
  const folders = [top];
  while (folders.length) {
    const reader = folders.shift().createReader();
    // Each call gives some, and the last one none.
    for (;;) {
      const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve(null)));
      if (some === null) found.unreadable += 1;
      if (!some?.length) break;
      for (const entry of some) {
        if (entry.isDirectory) folders.push(entry);
        else await one(entry, entry.fullPath.replace(/^\/+/, ""), found);
      }
    }
  }
}
