// Sliders, fields and moods: each changes the state, and shows it.
const FARTHEST = 4; // steps along a direction
const ENDS = {
  popularity: ["obscure", "a hit"], acousticness: ["electric", "acoustic"],
  danceability: ["still", "danceable"], energy: ["calm", "wild"],
  instrumentalness: ["sung", "instrumental"], liveness: ["studio", "live"], loudness: ["soft", "loud"],
  speechiness: ["music", "speech"], tempo: ["slow", "fast"], valence: ["sad", "glad"],
};

// A slider with a box for its number; `toPlace` and `toValue` are between value and place.
function sliderRow(where, { name, unit, low, high, ends, meaning = "" }, [from, to, step], toPlace, toValue, get, set) {
  const row = $("slider").content.cloneNode(true).firstElementChild;
  const [number, slide] = row.querySelectorAll("input");
  row.title = meaning;
  row.querySelector(".name").textContent = name;
  row.querySelectorAll(".end").forEach((end, i) => { end.textContent = ends[i]; });
  Object.assign(number, { min: low, max: high, ariaLabel: unit ? `${name}, ${unit}` : name });
  Object.assign(slide, { min: from, max: to, step, ariaLabel: `${name}, from ${ends[0]} to ${ends[1]}` });
  slide.addEventListener("input", () => set(toValue(slide.valueAsNumber)));
  number.addEventListener("change", () => {
    const value = number.valueAsNumber;
    if (low <= value && value <= high) set(value);
    else {
      complain(Error(`${name} is from ${low} to ${high}, not ${number.value || "nothing"}`));
      number.value = short(get());
    }
  });
  where.append(row);
  controls.push(() => {
    if (number !== document.activeElement || number.valueAsNumber !== get()) number.value = short(get());
    slide.value = toPlace(get());
    slide.ariaValueText = toPlace === identity ? `${short(get())}`
      : `${short(get())}, higher than ${Math.round(toPlace(get()))} % of the albums`;
  });
}

const identity = (value) => value;

function featureSliders() {
  about.features.forEach((feature, i) => sliderRow(
    $("features"), { ...feature, ends: ENDS[feature.name] }, [0, 100, 1],
    (value) => percentileOf(feature, value), (place) => short(valueAt(feature, place)),
    () => state.features[i],
    (value) => change({ features: state.features.with(i, value) }),
  ));
}

function lookSliders() {
  sliderRow($("looks"), { name: "variety", low: 0, high: 1, ends: ["ordinary", "varied"] }, [0, 1, 0.05],
    identity, identity, () => state.truncation, (truncation) => change({ truncation }));
  about.directions.forEach((_, n) => sliderRow(
    $("looks"), { name: `direction ${n + 1}`, low: -FARTHEST, high: FARTHEST, ends: ["−", "+"] },
    [-FARTHEST, FARTHEST, 0.1], identity, identity, () => state.steps[n] ?? 0, (value) => step({ [n]: value }),
  ));
}

// Moves along directions, by number.
function step(moved) {
  const limited = (value) => Math.round(100 * Math.max(-FARTHEST, Math.min(FARTHEST, value))) / 100;
  change({ steps: about.directions.map((_, n) => limited(moved[n] ?? state.steps[n] ?? 0)) });
}

function field(id, toText, toValue) {
  $(id).addEventListener($(id).type === "text" ? "input" : "change", () => {
    try {
      change({ [id]: toValue($(id).value), ...(id === "seed" && { z: null }) });
    } catch (error) {
      complain(error);
      $(id).value = toText(state[id]);
    }
  });
  controls.push(() => {
    if ($(id) !== document.activeElement) $(id).value = toText(state[id]);
  });
}

function fields() {
  $("type").replaceChildren(...Object.keys(TYPES).map((name) => new Option(name)));
  $("layout").replaceChildren(new Option("let chance choose", ""), ...about.layouts.map((name) => new Option(name)));
  for (const id of ["artist", "title", "type", "layout"]) field(id, identity, identity);
  field("seed", String, checkedSeed);
  field("year", (year) => year ?? "", (text) => (text === "" ? null : Number(text)));
  field("text", (text) => text ?? "", (text) => (text === "" ? null : text === "true"));
  const known = new Set(about.extras.map(({ name }) => name.split("_")[0]));
  for (const label of document.querySelectorAll("[data-extra]")) label.hidden = !known.has(label.dataset.extra);
  for (const part of document.querySelectorAll("[data-labels]")) part.hidden = !about.features.length;
}

function moods() {
  for (const [name, percentiles] of Object.entries(about.moods)) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    button.addEventListener("click", () => change({ features: featuresAt(percentiles) }));
    controls.push(() => { button.ariaPressed = same(state.features, featuresAt(percentiles)); });
    $("moods").append(button);
  }
}

// An album of the distribution, with its names, from a seed that nobody chose.
function surprise() {
  const { artist, title, percentiles } = about.albums[anySeed() % about.albums.length];
  const byName = Object.fromEntries(about.features.map(({ name }, i) => [name, percentiles[i]]));
  const types = Object.keys(TYPES);
  change({
    ...average(), seed: anySeed(), features: featuresAt(byName), artist, title,
    type: types[anySeed() % types.length],
  });
}

// Wandering --------------------------------------------------------------------------------------

function wandering() {
  let start = null;
  canvas.addEventListener("pointerdown", (event) => {
    start = { x: event.clientX, y: event.clientY, across: state.steps[0] ?? 0, down: state.steps[1] ?? 0 };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!start) return;
    const far = 2 * FARTHEST / canvas.clientWidth;
    step({ 0: start.across + far * (event.clientX - start.x), 1: start.down + far * (event.clientY - start.y) });
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { start = null; });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    step({ [way[0]]: (state.steps[way[0]] ?? 0) + 0.2 * way[1] });
  });
}
