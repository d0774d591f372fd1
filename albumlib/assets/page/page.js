// The page: sliders ask, the newest request is drawn, errors are shown over the picture.
const about = JSON.parse(document.getElementById("about").textContent);
const $ = (id) => document.getElementById(id);
const canvas = $("cover"), seed = $("seed"), truncation = $("truncation");

// What was packed into this file: gzip in base64.
async function unpacked(id) {
  const bytes = Uint8Array.from(atob($(id).textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function open() {
  const source = new Blob([await unpacked("runtime")], { type: "text/javascript" });
  const ort = await import(URL.createObjectURL(source));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = (await unpacked("wasm")).buffer;
  return [ort, await ort.InferenceSession.create(await unpacked("model"))];
}

const sliders = about.features.map((feature) => {
  const row = $("feature").content.cloneNode(true).firstElementChild;
  const [slider, number] = row.querySelectorAll("input");
  row.title = feature.meaning;
  row.querySelector(".name").textContent = feature.name;
  row.querySelector(".unit").textContent = 
    feature.unit.includes(" to ") ? feature.unit : `${feature.low} to ${feature.high} ${feature.unit}`;
  for (const input of [slider, number]) {
    Object.assign(input, { min: feature.low, max: feature.high });
    input.step = input === slider ? (feature.high - feature.low) / 200 : "any";
    input.setAttribute("aria-label", `${feature.name}, ${feature.unit}`);
  }
  const show = (value) => { slider.value = value; number.value = +value.toPrecision(4); };
  slider.addEventListener("input", () => { number.value = +slider.value; ask(); });
  number.addEventListener("input", () => { slider.value = number.value; ask(); });
  $("features").append(row);
  show(feature.value);
  return { feature, number, show };
});

// What the model is conditioned on, or an error in a sentence.
function asked() {
  if (!/^\d{1,15}$/.test(seed.value)) throw Error("a seed is a whole number from 0 on");
  const cut = Math.fround(+truncation.value);
  const z = torchRand(+seed.value, about.latent).map((u) => cut * Math.fround(2 * u - 1));
  const labels = sliders.map(({ feature, number }) => {
    const { name, low, high, unit } = feature, value = number.valueAsNumber;
    if (!(low <= value && value <= high))
      throw Error(`${name} is from ${low} to ${high} (${unit}), not ${number.value || "nothing"}`);
    return (2 * (value - low)) / (high - low) - 1;
  });
  return { z, labels: Float32Array.from(labels) };
}

async function draw(ort, session) {
  const { z, labels } = asked(), S = about.size, image = new ImageData(S, S);
  const inputs = { z: new ort.Tensor("float32", z, [1, z.length]) };
  if (labels.length) inputs.labels = new ort.Tensor("float32", labels, [1, labels.length]);
  const { covers } = await session.run(inputs);
  for (let pixel = 0; pixel < S * S; pixel++) {
    for (let channel = 0; channel < 3; channel++)
      image.data[4 * pixel + channel] = (covers.data[channel * S * S + pixel] + 1) * 127.5;
    image.data[4 * pixel + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// One request at a time; of those that come meanwhile only the newest counts.
let opened = null, busy = false, again = false;
async function ask() {
  again = true;
  if (busy) return;
  busy = true;
  while (again) {
    again = false;
    try {
      opened ??= await open();
      const started = performance.now();
      await draw(...opened);
      $("message").textContent = "";
      $("state").textContent = `drawn in ${Math.round(performance.now() - started)} ms`;
    } catch (error) {
      $("message").textContent = error.message;
    }
  }
  busy = false;
}

function step(by) {
  seed.value = Math.max(0, (parseInt(seed.value, 10) || 0) + by);
  ask();
}

Object.assign(canvas, { width: about.size, height: about.size });
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("reset").addEventListener("click", () => {
  for (const { feature, show } of sliders) show(feature.value);
  truncation.value = 1;
  ask();
});
$("save").addEventListener("click", () => {
  const link = document.createElement("a");
  Object.assign(link, { href: canvas.toDataURL("image/png"), download: `cover_${seed.value}.png` });
  link.click();
});
for (const input of [seed, truncation]) input.addEventListener("input", ask);
ask();
