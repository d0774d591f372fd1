// What was shown, to go back and forth among, and what was starred, which this browser keeps.
const LONGEST = 60; // covers of the strip

class Shown {
  constructor() {
    this.covers = []; // { state, pixels }
    this.place = -1;
    this.starred = kept();
    this.earlier = []; // covers that were starred on an earlier visit
  }

  // Puts a cover behind the present one; what was undone is forgotten.
  add(state, pixels) {
    if (this.place >= 0 && same(this.covers[this.place].state, state)) return;
    this.covers.splice(this.place + 1);
    this.covers.push({ state, pixels });
    if (this.covers.length > LONGEST) this.covers.shift();
    this.place = this.covers.length - 1;
  }

  go(place) {
    if (!this.covers[place]) return null;
    this.place = place;
    return this.covers[place].state;
  }

  isStarred(state) {
    return this.starred.includes(toHash(state));
  }

  star(state) {
    const hash = toHash(state), others = this.starred.filter((one) => one !== hash);
    this.starred = others.length < this.starred.length ? others : [...this.starred, hash];
    try {
      localStorage.setItem(`stars ${about.model}`, JSON.stringify(this.starred));
    } catch { /* a browser that keeps nothing: stars last as long as the page */ }
  }
}

// The addresses of covers that were starred before, with this model.
function kept() {
  try {
    const hashes = JSON.parse(localStorage.getItem(`stars ${about.model}`)) ?? [];
    return hashes.filter((hash) => fromHash(hash));
  } catch {
    return [];
  }
}
