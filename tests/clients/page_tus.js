// What runs in the browser: a file by tus, with tus-js-client or with Uppy.
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import * as tus from "tus-js-client";

// Long enough for a worker that starts again.
const retryDelays = [100, 300, 1000, 1000, 3000, 5000];

const clients = {
  uppy: async (file, options) => {
    const uppy = new Uppy().use(Tus, { ...options, retryDelays });
    uppy.addFile({ name: file.name, type: file.type, data: file });
    const { successful, failed } = await uppy.upload();
    if (failed.length > 0) throw new Error(failed[0].error);
    return successful[0].uploadURL;
  },
  "tus-js": (file, options) =>
    new Promise((resolve, reject) => {
      const metadata = { filename: file.name, filetype: file.type };
      const upload = new tus.Upload(file, {
        ...options,
        retryDelays,
        metadata,
        onError: reject,
        onSuccess: () => resolve(upload.url),
      });
      upload.start();
    }),
};

window.send = async (client, worker, token, name, options) => {
  const bytes = await (await fetch("file")).blob();
  const file = new File([bytes], name, { type: "application/octet-stream", lastModified: 1 });
  const headers = { Authorization: `Bearer ${token}` };
  return clients[client](file, { endpoint: `${worker}/tus`, headers, ...options });
};
