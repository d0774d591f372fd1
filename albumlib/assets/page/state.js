// What determines a cover, in the words of Python's `Request`, and how it travels: in the address,
// and inside a picture.
const FIELDS = ["layout", "artist", "title", "type"]; // words in the address
const LARGEST_SEED = 2 ** 53 - 1;

function average() {
  return {
    seed: 2021, features: about.features.map((feature) => feature.value), truncation: 1, steps: [],
    z: null, year: null, text: null, layout: "", artist: "", title: "", type: "poster",
  };
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// Percentiles ------------------------------------------------------------------------------------

function valueAt({ quantiles }, percentile) {
  const place = Math.max(0, Math.min(100, percentile)), below = Math.min(99, Math.floor(place));
  return quantiles[below] + (place - below) * (quantiles[below + 1] - quantiles[below]);
}

// The middle of all percentiles where the value stands, since many albums may share one.
function percentileOf({ quantiles }, value) {
  const last = quantiles.findLastIndex((q) => q <= value), first = quantiles.findIndex((q) => q >= value);
  if (last < 0) return 0;
  if (first < 0) return 100;
  if (first <= last) return (first + last) / 2;
  return last + (value - quantiles[last]) / (quantiles[first] - quantiles[last]);
}

const short = (value) => +value.toPrecision(4);

function featuresAt(percentiles) {
  return about.features.map((feature) =>
    feature.name in percentiles ? short(valueAt(feature, percentiles[feature.name])) : feature.value);
}

// In the address ---------------------------------------------------------------------------------

function toHash(state) {
  const words = new URLSearchParams(), usual = average();
  words.set("seed", state.seed);
  about.features.forEach(({ name, value }, i) => {
    if (state.features[i] !== value) words.set(name, state.features[i]);
  });
  for (const key of ["truncation", "year", "text", ...FIELDS])
    if (state[key] !== usual[key]) words.set(key, state[key]);
  if (state.steps.some(Boolean)) words.set("steps", state.steps.join());
  if (state.z) words.set("z", btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(state.z).buffer))));
  return "#" + words;
}

// The state of an address; what it leaves out is average. Throws an error in a sentence.
function fromHash(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, "")), state = average();
  const number = (key, low, high) => {
    const value = Number(words.get(key));
    if (words.get(key) === "" || !(low <= value && value <= high))
      throw Error(`${key} is from ${low} to ${high}, not ${words.get(key) || "nothing"}`);
    return value;
  };
  if (words.has("seed")) state.seed = checkedSeed(words.get("seed"));
  about.features.forEach(({ name, low, high }, i) => {
    if (words.has(name)) state.features[i] = number(name, low, high);
  });
  if (words.has("truncation")) state.truncation = number("truncation", 0, 1);
  if (words.has("year")) state.year = number("year", 1900, 2100);
  if (words.has("text")) state.text = words.get("text") === "true";
  for (const key of FIELDS) if (words.has(key)) state[key] = words.get(key);
  if (words.has("steps")) state.steps = words.get("steps").split(",").map(Number);
  if (words.has("z")) {
    const bytes = Uint8Array.from(atob(words.get("z")), (c) => c.charCodeAt(0));
    state.z = [...new Float32Array(bytes.buffer, 0, bytes.length >> 2)];
  }
  return checked(state);
}

function checkedSeed(text) {
  if (!/^\d{1,16}$/.test(text) || +text > LARGEST_SEED)
    throw Error("a seed is a whole number from 0 on");
  return +text;
}

// Throws an error in a sentence for a state that this model cannot show.
function checked(state) {
  if (state.layout && !about.layouts.includes(state.layout))
    throw Error(`this model knows no layout ${state.layout}`);
  if (state.z && (state.z.length !== about.latent || !state.z.every(Number.isFinite)))
    throw Error("this latent was found for another model");
  if (state.steps.length > about.directions.length || !state.steps.every(Number.isFinite))
    throw Error("steps along directions are eight numbers at most");
  return state;
}

// Inside a picture: the fields of Python's `Request` -----------------------------------------------

function toRecipe({ seed, features, truncation, steps, z, year, text, layout }) {
  const known = features.length ? features : Array(10).fill(null);
  return { seeds: [seed], features: known, truncation, steps, z, model: about.model, year, text, layout };
}

function fromRecipe(recipe) {
  if (recipe.model !== about.model)
    throw Error(`this picture was made by model ${recipe.model}, not by this one, ${about.model}`);
  const { seeds, features, truncation = 1, steps = [], z = null, year = null, text = null } = recipe;
  const usual = average();
  return checked({
    ...usual, seed: checkedSeed(String(seeds[0])), truncation, steps, z, year, text,
    layout: recipe.layout ?? "",
    features: usual.features.map((value, i) => features[i] ?? value),
  });
}
