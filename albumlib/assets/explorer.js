// What ipywidgets leaves out: names and exact values for screen readers, and a word about a kernel
// that is gone.
// The name of a control is its label, or where that is empty the label's tooltip.
const nameOf = (control) => {
  const label = control?.querySelector(".widget-label");
  return label?.textContent.trim() || label?.title;
};

function set(element, key, text) {
  if (text && element.getAttribute(key) !== text) element.setAttribute(key, text);
}

function describe(slider) {
  const handle = slider.querySelector(".noUi-handle");
  const box = slider.closest(".albumlib-feature")?.querySelector("input[type=number]");
  const shown = box?.value || slider.querySelector(".widget-readout")?.textContent;
  if (!handle) return;
  set(handle, "aria-label", nameOf(slider));
  set(handle, "aria-valuetext", shown || handle.getAttribute("aria-valuenow"));
}

function complete() {
  for (const slider of document.querySelectorAll(".albumlib .widget-slider")) describe(slider);
  for (const field of document.querySelectorAll(".albumlib :is(input, select, textarea)"))
    set(field, "aria-label", nameOf(field.closest(".jupyter-widgets")) || field.title);
  const described = document.querySelector(".albumlib-description")?.textContent;
  for (const shown of document.querySelectorAll(".albumlib img:not(.albumlib-thumb img)")) {
    const words = shown.closest(".albumlib-cover") ? described : "nearest training covers";
    if (words && shown.alt !== words) shown.alt = words;
  }
  for (const thumb of document.querySelectorAll(".albumlib-thumb")) {
    const button = thumb.querySelector("button"), shown = thumb.classList.contains("albumlib-current");
    set(button, "aria-label", button.title);
    set(button, "aria-current", String(shown));
    const picture = thumb.querySelector("img");
    if (!picture.hasAttribute("alt")) picture.alt = ""; // the button says it
  }
  for (const spoilt of document.querySelectorAll('.albumlib [title="null"]'))
    spoilt.removeAttribute("title");
}

new MutationObserver(complete).observe(document.body, {
  subtree: true, childList: true, characterData: true, attributes: true,
  attributeFilter: ["aria-valuenow", "title", "style", "class"],
});
complete();

// A kernel that was killed or restarted leaves a page on which nothing moves.
const PULSE = 10_000, PATIENCE = 15_000; // milliseconds

function ask() {
  const pulse = document.querySelector(".albumlib-pulse");
  if (!pulse || document.hidden) return;
  const before = pulse.textContent;
  pulse.querySelector("button").click();
  setTimeout(() => showGone(pulse.textContent === before), PATIENCE);
}

function showGone(gone) {
  const shown = document.querySelector(".albumlib-gone");
  if (!gone) shown?.remove();
  if (!gone || shown) return;
  const message = Object.assign(document.createElement("div"), { className: "albumlib-gone" });
  message.setAttribute("role", "alert");
  message.textContent = "The explorer does not answer any more: its kernel has ended.";
  const again = Object.assign(document.createElement("button"), { textContent: "Start again" });
  again.addEventListener("click", () => location.reload());
  message.append(again);
  document.body.append(message);
}

setInterval(ask, PULSE);
