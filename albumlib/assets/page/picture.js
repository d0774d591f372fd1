// Pictures: enlarged as Python's Pillow does it, with type over them, as PNG files with a recipe.

// The weights of Lanczos' filter for each of `size` pixels out of S: where they begin, and which.
const filters = new Map();
function lanczos(S, size) {
  if (!filters.has(size)) filters.set(size, computed(S, size));
  return filters.get(size);
}

function computed(S, size) {
  const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  return Array.from({ length: size }, (_, place) => {
    const centre = ((place + 0.5) * S) / size;
    const first = Math.max(0, Math.trunc(centre - 2.5)), end = Math.min(S, Math.trunc(centre + 3.5));
    const weights = Array.from({ length: end - first }, (_, i) => {
      const x = first + i - centre + 0.5;
      return Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
    });
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

// Pixels (S, S) of three bytes as an image of `size` pixels a side: first across, then down.
function enlarged(pixels, size) {
  const S = Math.sqrt(pixels.length / 3), filter = lanczos(S, size), image = new ImageData(size, size);
  const wide = new Uint8ClampedArray(3 * S * size), row = new Float32Array(3 * size);
  for (let y = 0; y < S; y++)
    filter.forEach(({ first, weights }, x) => {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        weights.forEach((weight, i) => { sum += weight * pixels[3 * (y * S + first + i) + channel]; });
        wide[3 * (y * size + x) + channel] = sum;
      }
    });
  filter.forEach(({ first, weights }, y) => {
    row.fill(0);
    weights.forEach((weight, i) => {
      const from = 3 * (first + i) * size;
      for (let x = 0; x < row.length; x++) row[x] += weight * wide[from + x];
    });
    for (let x = 0, at = 4 * y * size; x < row.length; x++) {
      image.data[at++] = row[x];
      if (x % 3 === 2) image.data[at++] = 255;
    }
  });
  return image;
}

// Type -------------------------------------------------------------------------------------------

// How names are set: the face, in capitals or not, the size of the title in sides of the cover,
// and where the lines begin, top left to bottom right from 0 to 1.
const TYPES = {
  poster: { face: "League Spartan", capitals: true, size: 0.095, corner: [0, 1] },
  heading: { face: "League Spartan", capitals: true, size: 0.095, corner: [0, 0] },
  classic: { face: "EB Garamond", capitals: false, size: 0.1, corner: [0.5, 0] },
  novel: { face: "EB Garamond", capitals: false, size: 0.1, corner: [0.5, 0.5] },
  shout: { face: "Inter", capitals: true, size: 0.15, corner: [0, 0.5] },
  label: { face: "Inter", capitals: false, size: 0.05, corner: [1, 1] },
};
const INKS = ["#121216", "#faf8f2"], READABLE = 4.5; // contrast (WCAG 2, level AA)
const MARGIN = 0.06, WIDEST = 1 - 2 * MARGIN;

function setType(context, state) {
  const style = TYPES[state.type] ?? TYPES.poster, side = context.canvas.width;
  const lines = linesOf(context, state, style);
  if (!lines.length) return;
  const [across, down] = style.corner, height = lines.reduce((sum, line) => sum + line.size, 0);
  const width = Math.max(...lines.map((line) => line.width));
  const left = MARGIN + across * (WIDEST - width), top = MARGIN + down * (WIDEST - height);
  const box = [left, top, width, height].map((part) => Math.round(part * side));
  const { ink, paper } = readableInk(context, box);
  if (paper) {
    const pad = Math.round(0.025 * side);
    context.fillStyle = paper;
    context.fillRect(box[0] - pad, box[1] - pad, box[2] + 2 * pad, box[3] + 2 * pad);
  }
  context.fillStyle = ink;
  context.textBaseline = "alphabetic";
  let y = top;
  for (const { text, size, width: length } of lines) {
    y += size;
    context.font = fontOf(style, size * side);
    context.fillText(text, (left + across * (width - length)) * side, (y - 0.2 * size) * side);
  }
}

const fontOf = ({ face }, pixels) => `${pixels}px "${face}", Georgia, sans-serif`;

// The title in one or two lines, then the artist, each as large as it can be, in sides of the cover.
function linesOf(context, { artist, title }, style) {
  const words = (style.capitals ? title.toUpperCase() : title).trim().split(/\s+/).filter(Boolean);
  const measured = (text) => {
    context.font = fontOf(style, 100);
    return context.measureText(text).width / 100;
  };
  const longest = (lines) => Math.max(...lines.map(measured));
  let titles = words.length ? [words.join(" ")] : [];
  if (words.length > 1 && measured(titles[0]) * style.size > WIDEST)
    titles = words.slice(1).map((_, i) => [words.slice(0, i + 1).join(" "), words.slice(i + 1).join(" ")])
      .reduce((best, lines) => (longest(lines) < longest(best) ? lines : best));
  const wanted = [...titles.map((text) => [text, style.size]), [artist.trim(), 0.5 * style.size]];
  return wanted.filter(([text]) => text).map(([text, most]) => {
    const size = Math.min(most, WIDEST / measured(text));
    return { text, size, width: size * measured(text) };
  });
}

// Black or white, whichever stands out more from what lies behind; on a picture that is both dark
// and light there, on a paper in the picture's own colour.
function readableInk(context, [x, y, width, height]) {
  const { data } = context.getImageData(x, y, Math.max(1, width), Math.max(1, height));
  const every = 4 * Math.max(1, Math.floor(data.length / 8000)), behind = [], mean = [0, 0, 0];
  for (let i = 0; i < data.length; i += every) {
    behind.push(luminance(data[i], data[i + 1], data[i + 2]));
    mean.forEach((_, channel) => { mean[channel] += data[i + channel] * every / data.length; });
  }
  behind.sort((a, b) => a - b);
  const dark = behind[Math.floor(0.05 * behind.length)], light = behind[Math.floor(0.95 * behind.length)];
  const onDark = 1 / (light + 0.05), onLight = (dark + 0.05) / 0.056, white = onDark > onLight;
  const paper = Math.max(onDark, onLight) < READABLE ? paperFor(mean, white) : "";
  return { ink: INKS[+white], paper };
}

// A colour, darker or lighter until white or black type is readable on it.
function paperFor(colour, white) {
  const towards = white ? 0 : 255, contrast = (level) => (white ? 1 / (level + 0.05) : (level + 0.05) / 0.056);
  while (contrast(luminance(...colour)) < READABLE + 1)
    colour = colour.map((level) => level + 0.1 * (towards - level));
  return `rgb(${colour.map(Math.round).join()})`;
}

// Of sRGB, from 0 to 1 (WCAG 2).
function luminance(...levels) {
  const linear = levels.map((level) => level / 255)
    .map((level) => (level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

// Files ------------------------------------------------------------------------------------------

// A PNG file with texts by keyword in it, uncompressed iTXt chunks as PNG 1.2 defines them.
async function toPng(canvas, texts) {
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const bytes = new Uint8Array(await blob.arrayBuffer()), header = 8 + 25; // signature and IHDR
  const chunks = Object.entries(texts).map(([keyword, text]) =>
    chunk("iTXt", new TextEncoder().encode(`${keyword}\0\0\0\0\0${text}`)));
  return new Blob([bytes.slice(0, header), ...chunks, bytes.slice(header)], { type: "image/png" });
}

function chunk(kind, data) {
  const bytes = new Uint8Array(12 + data.length), view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(kind), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

// The texts of a PNG file by keyword, of tEXt and uncompressed iTXt chunks.
async function textsOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer()), view = new DataView(bytes.buffer), found = {};
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind !== "tEXt" && kind !== "iTXt") continue;
    const text = new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
    const parts = text.split("\0");
    found[parts[0]] = parts.at(-1);
  }
  return found;
}
