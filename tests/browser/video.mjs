// A video that is made in the browser, since there is no encoder at hand: a WebM of VP8 frames, each of which a canvas has made as
// a WebP picture. All are key frames, and what says where they are (Cues) is at the end, as ffmpeg writes it.

const WIDTH = 320;
const HEIGHT = 180;

// Of an element: its id in hexadecimal digits, and what is in it.
function element(id, ...parts) {
  const body = Buffer.concat(parts.map((part) => (Buffer.isBuffer(part) ? part : Buffer.from(part, "latin1"))));
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE((1n << 56n) | BigInt(body.length));
  return Buffer.concat([Buffer.from(id, "hex"), size, body]);
}

function uint(id, value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(id, bytes);
}

function float(id, value) {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return element(id, bytes);
}

// Pictures of noise, which no codec makes small.
async function pictures(page, count) {
  const urls = await page.evaluate(([width, height, count]) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { alpha: false });
    const image = context.createImageData(width, height);
    return Array.from({ length: count }, (_, n) => {
      for (let at = 0; at < image.data.length; at += 4) {
        const grey = Math.random() * 256;
        image.data.set([grey, (grey + n * 20) % 256, 255 - grey, 255], at);
      }
      context.putImageData(image, 0, 0);
      return canvas.toDataURL("image/webp", 0.8);
    });
  }, [WIDTH, HEIGHT, count]);
  return urls.map((url) => frame(Buffer.from(url.split(",")[1], "base64")));
}

// The frame in a WebP picture: its chunk "VP8 ".
function frame(webp) {
  for (let at = 12; at < webp.length;) {
    const [name, size] = [webp.toString("latin1", at, at + 4), webp.readUInt32LE(at + 4)];
    if (name === "VP8 ") return webp.subarray(at + 8, at + 8 + size);
    at += 8 + size + (size % 2);
  }
  throw new Error("there is no frame in the picture");
}

// A video of that many seconds, with a cluster for each of them.
export async function video(page, seconds, rate = 10) {
  const frames = await pictures(page, rate);
  const cluster = (second) => element("1f43b675", uint("e7", second * 1000), ...frames.map((frame, n) => {
    const head = Buffer.from([0x81, 0, 0, 0x80]);
    head.writeInt16BE((n * 1000) / rate, 1);
    return element("a3", head, frame);
  }));
  const clusters = Array.from({ length: seconds }, (_, second) => cluster(second));
  const info = element("1549a966", uint("2ad7b1", 1_000_000), float("4489", seconds * 1000), element("4d80", "test"), element("5741", "test"));
  const size = element("e0", uint("b0", WIDTH), uint("ba", HEIGHT));
  const tracks = element("1654ae6b", element("ae", uint("d7", 1), uint("73c5", 1), uint("83", 1), element("86", "V_VP8"), size));
  const seek = (to) => element("114d9b74", element("4dbb", element("53ab", Buffer.from("1c53bb6b", "hex")), uint("53ac", to)));
  let at = seek(0).length + info.length + tracks.length;
  const places = clusters.map(({ length }) => (at += length) - length);
  const point = (place, second) => element("bb", uint("b3", second * 1000), element("b7", uint("f7", 1), uint("f1", place)));
  const cues = element("1c53bb6b", ...places.map(point));
  const kind = element("1a45dfa3", uint("4286", 1), uint("42f7", 1), uint("42f2", 4), uint("42f3", 8), element("4282", "webm"), uint("4287", 4), uint("4285", 2));
  return Buffer.concat([kind, element("18538067", seek(at), info, tracks, ...clusters, cues)]);
}

// A tone of that many seconds, as WAV.
export function tone(seconds, rate = 8000) {
  const head = Buffer.alloc(44);
  const length = seconds * rate;
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(length, 40);
  return Buffer.concat([head, Buffer.from(Array.from({ length }, (_, n) => 128 + 60 * Math.sin(n / 4)))]);
}
