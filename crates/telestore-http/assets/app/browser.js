// What the browser does for the page: it saves a file, and has a clipboard.

// Downloads what is at an address, as any other download of the browser. The page stays.
export function save(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

// Copies what is in a field. Whether that was let.
export async function copy(field) {
  field.focus();
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    // A page by plain HTTP has no clipboard of that kind.
    return document.execCommand("copy");
  }
}
