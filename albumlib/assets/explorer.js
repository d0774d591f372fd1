// Names and exact values for screen readers, where ipywidgets leaves them out.
function describe(slider) {
  const handle = slider.querySelector(".noUi-handle");
  const label = slider.querySelector(".widget-label");
  const box = slider.closest(".albumlib-feature")?.querySelector("input[type=number]");
  const name = box?.title || slider.title || label?.textContent;
  if (!handle || !name) return;
  const shown = slider.querySelector(".widget-readout");
  const value = box ? box.value : shown ? shown.textContent : handle.getAttribute("aria-valuenow");
  const said = { "aria-label": name, "aria-valuetext": value };
  for (const [key, text] of Object.entries(said))
    if (handle.getAttribute(key) !== text) handle.setAttribute(key, text);
}

function complete() {
  for (const slider of document.querySelectorAll(".albumlib .widget-slider")) describe(slider);
  const described = document.querySelector(".albumlib-description")?.textContent;
  for (const shown of document.querySelectorAll(".albumlib img")) {
    const words = shown.closest(".albumlib-cover") ? described : "nearest training covers";
    if (words && shown.alt !== words) shown.alt = words;
  }
  for (const spoilt of document.querySelectorAll('.albumlib [title="null"]'))
    spoilt.removeAttribute("title");
}

new MutationObserver(complete).observe(document.body, {
  subtree: true, childList: true, characterData: true, attributes: true,
  attributeFilter: ["aria-valuenow", "title", "style"],
});
complete();
