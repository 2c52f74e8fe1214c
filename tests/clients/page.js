// What runs in the browser: Uppy's form, and what the client that ships with TeleStore does.
import Uppy from "@uppy/core";
import XHRUpload from "@uppy/xhr-upload";

async function random(name, length) {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { name, sha256, file: new File([bytes], name) };
}

const told = ({ name, sha256 }, answer) => ({ name, sha256, answer });

window.uppy = async (worker, token) => {
  const sent = await random('uppy "é".bin', 3_000_000);
  const uppy = new Uppy({ meta: { authToken: token } });
  uppy.use(XHRUpload, { endpoint: `${worker}/upload`, fieldName: "file" });
  uppy.addFile({ name: sent.name, data: sent.file });
  const { successful, failed } = await uppy.upload();
  if (failed.length > 0) throw new Error(`${failed[0].error} ${failed[0].response?.body?.error}`);
  return told(sent, successful[0].response.body);
};

// The same where the line breaks: Uppy sends the whole form again. The key is what makes one message of it.
window.uppyCut = async (worker, token) => {
  const sent = await random("uppy cut.bin", 3_000_000);
  const uppy = new Uppy();
  uppy.on("file-added", (file) => uppy.setFileMeta(file.id, { key: crypto.randomUUID() }));
  uppy.use(XHRUpload, {
    endpoint: `${worker}/upload`,
    headers: (file) => ({ Authorization: `Bearer ${token}`, "Idempotency-Key": file.meta.key }),
  });
  uppy.addFile({ name: sent.name, data: sent.file });
  const { successful, failed } = await uppy.upload();
  if (failed.length > 0) throw new Error(`${failed[0].error} ${failed[0].response?.body?.error}`);
  return told(sent, { ...successful[0].response.body, uploadURL: successful[0].uploadURL });
};

async function ok(answer) {
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status} ${body.error}`);
  return body;
}

window.stockSmall = async (worker, token) => {
  const sent = await random("stock small.bin", 200_000);
  const form = new FormData();
  form.append("file", sent.file);
  form.append("userId", "anybody");
  form.append("authToken", token);
  form.append("fileName", sent.name);
  return told(sent, await ok(await fetch(`${worker}/upload`, { method: "POST", body: form })));
};

window.stockLarge = async (worker, token) => {
  const sent = await random("stock large.bin", 12_000_000);
  const size = 5 * 1024 * 1024;
  const uploadId = `${Date.now()}_${Math.random().toString(36).slice(2, 11)}`;
  const total = Math.ceil(sent.file.size / size);
  for (let index = 0; index < total; index++) {
    const form = new FormData();
    form.append("chunk", sent.file.slice(index * size, (index + 1) * size));
    form.append("uploadId", uploadId);
    form.append("chunkIndex", index);
    form.append("totalChunks", total);
    form.append("fileName", sent.name);
    form.append("fileSize", sent.file.size);
    form.append("authToken", token);
    await ok(await fetch(`${worker}/upload-chunk`, { method: "POST", body: form }));
  }
  const headers = { "Content-Type": "application/json" };
  await ok(await fetch(`${worker}/complete-upload`, { method: "POST", headers, body: JSON.stringify({ uploadId }) }));
  for (let poll = 0; poll < 600; poll++) {
    const state = await ok(await fetch(`${worker}/upload-progress/${uploadId}`));
    if (state.status === "failed") throw new Error(state.error);
    if (state.status === "completed") return told(sent, state);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error("Upload timeout");
};
