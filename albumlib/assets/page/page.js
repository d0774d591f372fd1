// The page: controls change the state, the newest state is generated, errors stand over the picture.
const SETTLED = 350; // milliseconds after which a cover counts as chosen
const OTHERS = 16; // covers of the grid
const $ = (id) => document.getElementById(id);
const canvas = $("cover"), context = canvas.getContext("2d", { willReadFrequently: true });
const shown = new Shown(), controls = []; // functions that show the state
let state = average(), newest = null, model = null, settling = 0, others = [], video = null;

function change(changes) {
  stop();
  $("message").textContent = "";
  state = { ...state, ...changes };
  ask();
}

function complain(error) {
  $("message").textContent = error.message;
}

// Generating -------------------------------------------------------------------------------------

// One cover at a time: of those that are asked for meanwhile only the newest counts.
let busy = false, again = false;
async function ask() {
  again = true;
  for (const show of controls) show();
  if (busy) return;
  busy = true;
  while (again) {
    again = false;
    try {
      model ??= await openModel();
      await draw(state);
      clearTimeout(settling);
      settling = setTimeout(settle, SETTLED);
    } catch (error) {
      complain(error);
    }
  }
  busy = false;
}

async function draw(wanted) {
  const started = performance.now();
  newest = { state: wanted, pixels: await generate(model, wanted) };
  paint(context, newest);
  const time = Math.round(performance.now() - started);
  $("state").textContent = `generated in ${time} ms from seed ${wanted.seed}`;
  canvas.dataset.shown = toHash(wanted);
}

function paint(context, { state, pixels }) {
  context.putImageData(enlarged(pixels, context.canvas.width), 0, 0);
  setType(context, state);
}

function settle() {
  if (video || !newest || !same(newest.state, state)) return;
  shown.add(newest.state, newest.pixels);
  history.replaceState(null, "", toHash(state));
  const words = about.features.map(({ name }, i) => `${name} ${short(state.features[i])}`).join(", ");
  canvas.setAttribute("aria-label", `cover from seed ${state.seed}: ${words}`);
  for (const show of controls) show();
  fillGrid();
}

async function fillGrid() {
  const wanted = state;
  for (const { seed, button } of others) {
    const pixels = await generate(model, { ...wanted, z: null, steps: [], seed });
    if (wanted !== state || video) return; // begun anew when things have settled
    thumb(button, pixels);
  }
}

function thumb(button, pixels) {
  const small = button.querySelector("canvas"), S = about.size;
  Object.assign(small, { width: S, height: S });
  const image = new ImageData(S, S);
  for (let i = 0, at = 0; i < pixels.length; i++) {
    image.data[at++] = pixels[i];
    if (i % 3 === 2) image.data[at++] = 255;
  }
  small.getContext("2d").putImageData(image, 0, 0);
}

function thumbButton(name) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "thumb", ariaLabel: name });
  button.append(document.createElement("canvas"));
  return button;
}

const anySeed = () => crypto.getRandomValues(new Uint32Array(1))[0] >>> 12;

function newOthers() {
  others = Array.from({ length: OTHERS }, (_, i) => {
    const seed = anySeed(), button = thumbButton(`take cover ${i + 1}, from seed ${seed}`);
    button.addEventListener("click", () => change({ seed, z: null, steps: [] }));
    return { seed, button };
  });
  $("grid").replaceChildren(...others.map(({ button }) => button));
}

// The strip --------------------------------------------------------------------------------------

// First what was starred on earlier visits, then what was shown on this one.
function showStrip() {
  const { earlier, covers, place } = shown;
  const buttons = [
    ...earlier.map((cover, i) => ofStrip(cover, `earlier cover ${i + 1}`, () => change(cover.state))),
    ...covers.map((cover, i) => ofStrip(cover, `cover ${i + 1}`, () => go(i))),
  ];
  const current = buttons[earlier.length + place];
  if (place >= 0) current.ariaCurrent = "true";
  const focused = [...$("strip").children].indexOf(document.activeElement);
  $("strip").replaceChildren(...buttons);
  buttons[focused]?.focus();
  if (place >= 0) $("strip").scrollLeft = current.offsetLeft - $("strip").clientWidth / 2;
  $("undo").disabled = place <= 0;
  $("redo").disabled = place >= covers.length - 1;
  $("star").ariaPressed = shown.isStarred(state);
  $("star").textContent = shown.isStarred(state) ? "★" : "☆";
  const count = shown.starred.length;
  $("keyframes").textContent = count > 1
    ? `It goes through your ${count} starred covers.`
    : "It goes from the cover before to this one; star some covers, and it goes through all of them.";
}

function ofStrip({ state, pixels }, name, click) {
  const starred = shown.isStarred(state), button = thumbButton(name + (starred ? ", starred" : ""));
  button.classList.toggle("starred", starred);
  button.addEventListener("click", click);
  thumb(button, pixels);
  return button;
}

async function showEarlier() {
  for (const hash of model ? shown.starred.slice(-LONGEST) : []) {
    const state = fromHash(hash);
    shown.earlier.push({ state, pixels: await generate(model, state) });
    showStrip();
  }
}

function go(place) {
  stop();
  const found = shown.go(place);
  if (!found) return;
  state = found;
  ask();
}

// Files ------------------------------------------------------------------------------------------

async function save(size) {
  const paper = Object.assign(document.createElement("canvas"), { width: size, height: size });
  paint(paper.getContext("2d"), newest);
  const wanted = newest.state, texts = { albumlib: JSON.stringify(toRecipe(wanted)) };
  if (wanted.title) texts.Title = wanted.title;
  if (wanted.artist) texts.Author = wanted.artist;
  const name = [wanted.artist, wanted.title].filter(Boolean).join(" - ").replace(/[^\p{L}\p{N} -]+/gu, "");
  download(await toPng(paper, texts), `${name || "cover"} ${wanted.seed} ${size}px.png`);
}

function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  $("state").textContent = `saved ${name}`;
}

async function open(file) {
  if (!file) return; // words were dropped here, or the choice was left
  const texts = await textsOf(file);
  if (!texts.albumlib) throw Error("this picture does not say how it was made");
  change({ ...fromRecipe(JSON.parse(texts.albumlib)), artist: texts.Author ?? "", title: texts.Title ?? "" });
}

async function share() {
  history.replaceState(null, "", toHash(state));
  if (navigator.share) return navigator.share({ title: document.title, url: location.href });
  await navigator.clipboard?.writeText(location.href); // there is none where a page comes without https
  $("state").textContent = navigator.clipboard ? "the link is copied: who opens it sees this cover"
    : "copy the address of this page: who opens it sees this cover";
}

// Wiring -----------------------------------------------------------------------------------------

const guarded = (work) => async (...given) => {
  try {
    await work(...given);
  } catch (error) {
    if (error.name !== "AbortError") complain(error); // who changes their mind about sharing
  }
};

function buttons() {
  const clicks = {
    surprise, share, record, undo: () => go(shown.place - 1), redo: () => go(shown.place + 1),
    reset: () => change({ features: average().features }),
    star: () => { shown.star(state); showStrip(); },
    more: () => { newOthers(); fillGrid(); },
    save640: () => save(640), save3000: () => save(3000),
    play: () => (video ? (stop(), ask()) : play()),
    take: () => change(newest.state),
  };
  for (const [id, work] of Object.entries(clicks)) $(id).addEventListener("click", guarded(work));
  $("open").addEventListener("change", guarded(() => open($("open").files[0])));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", guarded((event) => {
    event.preventDefault();
    return open(event.dataTransfer.files[0]);
  }));
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.type === "text") return;
    event.preventDefault();
    go(shown.place + (event.shiftKey ? 1 : -1));
  });
  addEventListener("hashchange", guarded(() => change(fromHash(location.hash))));
}

function begin() {
  featureSliders();
  lookSliders();
  fields();
  moods();
  wandering();
  buttons();
  newOthers();
  controls.push(showStrip);
  $("model-name").textContent = about.model;
  if (matchMedia("(max-width: 700px)").matches)
    for (const part of document.querySelectorAll("details:not(:has(#moods, #features))")) part.open = false;
  $("look").open = about.layouts.length > 0;
  try {
    if (location.hash.length > 1) state = fromHash(location.hash);
  } catch (error) {
    complain(error);
  }
  Promise.allSettled([...document.fonts].map((face) => face.load())).then(ask).then(showEarlier).catch(complain);
}

begin();
