// The generator in the browser: what was packed into this file, ONNX Runtime, and covers.
const about = JSON.parse(document.getElementById("about").textContent);

// What was packed into this file, gzip in base64, or into a file beside it.
async function unpacked(id) {
  const packed = document.getElementById(id).textContent.trim();
  const bytes = packed.endsWith(".bin") ? await loaded(packed)
    : Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function loaded(file) {
  const answer = await fetch(file).catch(() => {
    throw Error("this page needs a web server, such as `python -m http.server`: its model lies beside it");
  });
  if (!answer.ok) throw Error(`${file} is not beside this page: put the whole folder on the server`);
  return answer.arrayBuffer();
}

async function openModel() {
  const source = new Blob([await unpacked("runtime")], { type: "text/javascript" });
  const ort = await import(URL.createObjectURL(source));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = (await unpacked("wasm")).buffer;
  return [ort, await ort.InferenceSession.create(await unpacked("model"))];
}

// The latent of a state, steered along the directions, as Python's `Request.latents`.
function latentOf(state) {
  const start = state.z ?? torchRand(state.seed, about.latent).map((u) => Math.fround(2 * u - 1));
  return Float32Array.from(start, (value, i) => {
    const steered = state.steps.reduce((sum, step, n) => sum + step * about.directions[n][i],
      Math.fround(state.truncation) * value);
    return Math.max(-1, Math.min(1, steered));
  });
}

// The row of conditions: features, then what the model knows beyond them; NaN is left open.
function conditionsOf(state) {
  const unit = (value, low, high) => (2 * (value - low)) / (high - low) - 1;
  const features = about.features.map(({ low, high }, i) => unit(state.features[i], low, high));
  const extras = about.extras.map(({ name, low, high }) => {
    const value = extraOf(state, name);
    return value === null ? NaN : unit(value, low, high);
  });
  return Float32Array.from([...features, ...extras]);
}

function extraOf(state, name) {
  if (name.startsWith("layout_")) return state.layout ? +(name === "layout_" + state.layout) : null;
  return state[name] === null ? null : +state[name];
}

// A cover as pixels of three bytes; one after the other, since a session runs one at a time.
let before = Promise.resolve();
function generate(model, state) {
  const pixels = before.then(() => run(model, state));
  before = pixels.catch(() => {});
  return pixels;
}

async function run([ort, session], state) {
  const z = latentOf(state), labels = conditionsOf(state), area = about.size ** 2;
  const inputs = { z: new ort.Tensor("float32", z, [1, z.length]) };
  if (labels.length) inputs.labels = new ort.Tensor("float32", labels, [1, labels.length]);
  const { data } = (await session.run(inputs)).covers;
  const pixels = new Uint8ClampedArray(3 * area); // which rounds as Python does
  for (let pixel = 0; pixel < area; pixel++)
    for (let channel = 0; channel < 3; channel++)
      pixels[3 * pixel + channel] = (data[channel * area + pixel] + 1) * 127.5;
  return pixels;
}

// On the way from one state to another: latents along an arc, numbers straight, as Python's
// `video.between`; what has no middle is that of the nearer one.
function between(first, last, share) {
  const nearer = share < 0.5 ? first : last;
  const mixed = (a, b) => (1 - share) * a + share * b;
  const year = first.year === null || last.year === null ? nearer.year : mixed(first.year, last.year);
  return {
    ...nearer, year, z: slerp(latentOf(first), latentOf(last), share), steps: [], truncation: 1,
    features: first.features.map((value, i) => mixed(value, last.features[i])),
  };
}

function slerp(start, end, share) {
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const cosine = dot(start, end) / Math.sqrt(dot(start, start) * dot(end, end));
  const angle = Math.acos(Math.max(-1, Math.min(1, cosine))), curved = Math.abs(cosine) <= 0.9995;
  const weight = (part) => (curved ? Math.sin(part * angle) / Math.sin(angle) : part);
  return start.map((value, i) =>
    Math.max(-1, Math.min(1, weight(1 - share) * value + weight(share) * end[i])));
}
