// The places of a wall screen: a new card takes the place of the oldest one, and no other moves.

import { isRepeat, merge, seqOf } from "./repeats.js";

export class Places {
  #wall;
  #empty;
  #kind;
  #dids;
  #most;

  // `empty` is shown while there is no card.
  constructor(wall, empty) {
    this.#wall = wall;
    this.#empty = empty;
    const { kind, dids, columns, rows } = wall.dataset;
    this.#kind = kind;
    this.#dids = dids === undefined ? null : new Set(dids.split(" "));
    this.#most = Number(columns) * Number(rows);
    for (const card of wall.children) makePlain(card);
    // A picture may be gone by now.
    wall.addEventListener("error", ({ target }) => target.remove(), true);
  }

  // `detail` is that of an event "card" of `Stream`.
  add({ seq, kind, did, html }) {
    if (this.#kind && this.#kind !== kind) return;
    if (this.#dids && !this.#dids.has(did)) return;
    const cards = [...this.#wall.children];
    if (cards.some((card) => seqOf(card) >= seq)) return;
    const template = document.createElement("template");
    template.innerHTML = html;
    const card = template.content.firstElementChild;
    // A repeat takes the place of what it repeats.
    const repeated = cards.find((one) => isRepeat(card, one));
    if (repeated) merge(card, repeated);
    makePlain(card);
    for (const one of cards) one.classList.remove("card-newest");
    card.classList.add("card-newest");
    if (repeated) repeated.replaceWith(card);
    else if (cards.length < this.#most) this.#wall.append(card);
    else oldest(cards).replaceWith(card);
    this.#empty.hidden = true;
  }

  // Records were missed, or erased: take the cards of a fresh page.
  replaceWith(fresh) {
    const cards = [...fresh.children];
    cards.forEach(makePlain);
    this.#wall.replaceChildren(...cards);
    this.#empty.hidden = cards.length > 0;
  }
}

// While there is an alarm, the last places have no room.
const isVisible = ({ offsetHeight }) => offsetHeight > 20;

function oldest(cards) {
  const visible = cards.filter(isVisible);
  const choice = visible.length ? visible : cards;
  return choice.reduce((one, other) => (seqOf(other) < seqOf(one) ? other : one));
}

// Whoever wipes the screen must not lead it away from the wall.
function makePlain(card) {
  for (const link of card.querySelectorAll(".card-more, .card-keep, .card-review")) link.remove();
  for (const link of card.querySelectorAll("a")) link.removeAttribute("href");
  for (const image of card.querySelectorAll("img")) image.loading = "eager";
}
