// Where the cards of the wall are: the newest first; or in fixed places, as many as fit the window,
// where a new card takes that of the oldest one and moves no other.

import { cookiePath } from "./address.js";
import { isRepeat, merge, seqOf, seqsOf } from "./repeats.js";

const MAX_CARDS = 120;
const COOKIE = "sitehub_wall";
const YEAR_S = 31_536_000;

export class Places {
  // The highest seq that was on the wall and is not any more; 0 if there is none.
  removedTo = 0;
  #wall;
  #most = MAX_CARDS;

  constructor(wall) {
    this.#wall = wall;
    let waiting;
    addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.#fit(), 200);
    });
    this.#fit();
  }

  get isFixed() {
    return this.#wall.classList.contains("wall-places");
  }

  set isFixed(isFixed) {
    this.#wall.classList.toggle("wall-places", isFixed);
    const safe = location.protocol === "https:" ? "; Secure" : "";
    const value = isFixed ? `places; Max-Age=${YEAR_S}` : "; Max-Age=0";
    document.cookie = `${COOKIE}=${value}; Path=${cookiePath}; SameSite=Lax${safe}`;
    this.#sort();
    this.#fit();
  }

  get cards() {
    return [...this.#wall.querySelectorAll(":scope > .card")];
  }

  // Show cards, of which the last one is the newest. Repeats stay where they are.
  put(cards) {
    const fresh = [];
    for (const card of cards) {
      const present = this.#repeated(card);
      if (present) replace(present, merge(card, present));
      else fresh.push(card);
    }
    if (this.isFixed) for (const card of fresh) this.#putInPlace(card);
    else this.#putOnTop(fresh);
  }

  clear() {
    for (const card of this.cards) card.remove();
  }

  #repeated(card) {
    return card.dataset.repeat && this.cards.find((one) => isRepeat(card, one));
  }

  #putInPlace(card) {
    if (this.cards.length < Math.max(this.#most, 1)) {
      this.#wall.append(card);
      // How many there is room for is not known before the first one is there.
      if (!this.#most) this.#fit();
      return;
    }
    const [oldest] = this.#oldest(1);
    this.#note(oldest);
    // A reload may bring cards that are older than all that are shown.
    if (seqOf(card) < seqOf(oldest)) this.#note(card);
    else oldest.replaceWith(card);
  }

  #putOnTop(cards) {
    const top = this.#wall.querySelector(":scope > .card");
    this.#wall.prepend(...cards.toReversed());
    // Cards from a reload may belong further down.
    if (top && cards.some((card) => seqOf(card) < seqOf(top))) this.#sort();
    this.#trim(MAX_CARDS);
  }

  #sort() {
    const cards = this.cards.sort((one, other) => seqOf(other) - seqOf(one));
    this.#wall.prepend(...cards);
    const line = this.#wall.querySelector(":scope > .wall-line");
    const below = line && cards.find((card) => seqOf(card) <= Number(line.dataset.line));
    if (below) below.before(line);
  }

  #trim(most) {
    for (const oldest of this.#oldest(this.cards.length - most)) {
      this.#note(oldest);
      oldest.remove();
    }
  }

  // So many cards, the oldest first; those that somebody is working with only if there are no others.
  #oldest(count) {
    const found = [];
    const inUse = [];
    for (const card of this.cards.sort((one, other) => seqOf(one) - seqOf(other))) {
      if (found.length >= count) break;
      (isInUse(card) ? inUse : found).push(card);
    }
    return [...found, ...inUse].slice(0, Math.max(count, 0));
  }

  #note(card) {
    this.removedTo = Math.max(this.removedTo, ...seqsOf(card));
  }

  // As many places as can be seen without scrolling.
  #fit() {
    if (!this.isFixed) {
      this.#most = MAX_CARDS;
      return;
    }
    const [first] = this.cards;
    this.#most = first ? this.#count(first) : 0;
    if (first) this.#trim(this.#most);
  }

  #count(card) {
    const style = getComputedStyle(this.#wall);
    const gap = parseFloat(style.rowGap);
    const columns = style.gridTemplateColumns.split(" ").length;
    const top = this.#wall.getBoundingClientRect().top + scrollY;
    // Alarms above the wall come and go.
    const room = innerHeight - Math.min(top, innerHeight / 2);
    const rows = Math.floor((room + gap) / (card.offsetHeight + gap));
    return columns * Math.max(rows, 1);
  }
}

const isInUse = (card) =>
  card.contains(document.activeElement) || card.querySelector("details[open]") !== null;

// What somebody has opened or focused on a card stays so.
function replace(present, card) {
  const focused = present.contains(document.activeElement) ? document.activeElement : null;
  const details = present.querySelector(".card-repeats");
  card.querySelector(".card-repeats").open = details.open;
  present.replaceWith(card);
  if (focused) card.querySelector(focused.matches("summary") ? "summary" : ".card-link").focus();
}
