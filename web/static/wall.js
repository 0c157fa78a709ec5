// The wall: new cards appear, or wait while somebody is looking.

import { Hold } from "./hold.js";
import { fetchPart } from "./parts.js";
import { Places } from "./places.js";
import { followReviews } from "./review.js";
import { countOf, isRepeat, merge, seqOf, seqsOf } from "./repeats.js";
import { walkByArrows } from "./walk.js";

const MAX_HELD = 120;
// The browser lays the wall out anew for each update. Together, cards cost little more than one.
const UPDATE_MS = 70;
const CALM_MS = 500;

const isListed = (card) => card.matches(".card-black");
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

// Say why a card is shown that the filter leaves out.
function explain(card) {
  const why = document.querySelector("#unfiltered").content.cloneNode(true);
  card.querySelector(".card-text").append(why);
}

export class Wall {
  #wall;
  #places;
  #hold;
  #held = [];
  #missed = 0;
  // The highest seq that this page has had.
  #newest;
  #updatedAt = 0;
  #waiting = 0;
  #pill = document.querySelector("[data-pill]");
  #sign = document.querySelector("[data-live-sign]");
  #empty = document.querySelector("#wall-empty");
  #older = document.querySelector("[data-older]");

  constructor(wall) {
    this.#wall = wall;
    this.#places = new Places(wall);
    this.#newest = Math.max(0, ...this.#places.cards.map(seqOf));
    this.#hold = new Hold(wall, this.#sign);
    this.#hold.addEventListener("change", () => this.#settle());
    this.#pill.addEventListener("click", () => this.#release());
    this.#offerPlaces(document.querySelector("[data-places]"));
    walkByArrows(wall);
    followReviews(wall, document.querySelector("#review-form"));
  }

  // Whether the wall shows such records; of people on the blacklist it shows all.
  matches(detail) {
    return detail.listed || this.#isWanted(detail);
  }

  // Whether the filter lets such records through.
  #isWanted({ kind, did }) {
    const { kind: onlyKind, did: onlyDid } = this.#wall.dataset;
    return (!onlyKind || onlyKind === kind) && (!onlyDid || onlyDid === did);
  }

  // Whether new cards appear at once, where they can be seen.
  get isSeen() {
    return !document.hidden && !this.#hold.isHeld;
  }

  add(detail) {
    if (!this.matches(detail)) return;
    const template = document.createElement("template");
    template.innerHTML = detail.html;
    const card = template.content.firstElementChild;
    // The page or a reloaded wall may already contain records that the stream still sends.
    if (this.#knows(seqOf(card))) return;
    const link = card.querySelector(".card-link");
    link.setAttribute("href", link.getAttribute("href") + this.#wall.dataset.query);
    // It comes into view at once.
    card.querySelector(".card-picture img")?.removeAttribute("loading");
    if (!this.#isWanted(detail)) explain(card);
    this.#keep(card);
    this.#settleSoon();
  }

  // Too many records were missed: fetch the wall as it is now.
  async reload() {
    const html = await fetchPart(location.pathname + location.search).catch(() => null);
    const page = html && new DOMParser().parseFromString(html, "text/html");
    const fresh = [...(page?.querySelectorAll("#wall > .card") ?? [])];
    const missed = fresh.filter((card) => !this.#knows(seqOf(card)));
    // No overlap: the records in between are on the older page.
    if (missed.length && missed.length === fresh.length) {
      this.#places.clear();
      this.#held = [];
      this.#places.removedTo = 0;
      this.#older.href = page.querySelector("[data-older]").href;
    }
    for (const card of missed.sort((one, other) => seqOf(one) - seqOf(other))) this.#keep(card);
    this.#settle();
  }

  #knows(seq) {
    if (seq > this.#newest) return false;
    return [...this.#held, ...this.#places.cards].some((card) => seqsOf(card).includes(seq));
  }

  // Let a card wait; a repeat of one that waits does so on the same card.
  #keep(card) {
    this.#newest = Math.max(this.#newest, seqOf(card));
    const at = this.#held.findIndex((one) => isRepeat(card, one));
    if (at >= 0) card = merge(card, this.#held.splice(at, 1)[0]);
    this.#held.push(card);
    if (this.#held.length <= MAX_HELD) return;
    const least = this.#held.findIndex((one) => !isListed(one));
    const [lost] = this.#held.splice(Math.max(least, 0), 1);
    this.#missed += countOf(lost);
    this.#places.removedTo = Math.max(this.#places.removedTo, ...seqsOf(lost));
  }

  // At once, unless there has just been an update.
  #settleSoon() {
    if (this.#waiting) return;
    const wait = this.#updatedAt + UPDATE_MS - performance.now();
    if (wait <= 0) this.#settle();
    else this.#waiting = setTimeout(() => this.#settle(), wait);
  }

  #settle() {
    clearTimeout(this.#waiting);
    this.#waiting = 0;
    const { isHeld, isPaused } = this.#hold;
    if (!isHeld && this.#held.length) this.#show();
    this.#showPill();
    const shown = isPaused ? "paused" : isHeld ? "held" : "moving";
    if (this.#sign.dataset.state === shown) return;
    this.#sign.dataset.state = shown;
    this.#sign.setAttribute("aria-pressed", isPaused);
    for (const text of this.#sign.querySelectorAll("[data-when]")) {
      text.hidden = text.dataset.when !== shown;
    }
  }

  // The button shows at once if a person on the blacklist is among the new cards.
  #showPill() {
    this.#pill.hidden = !this.#held.length;
    if (this.#pill.hidden) return;
    const listed = this.#held.filter(isListed).length;
    const { text, textListed } = this.#pill.dataset;
    this.#pill.classList.toggle("pill-bad", listed > 0);
    this.#pill.lastElementChild.textContent = (listed ? textListed : text)
      .replace("{n}", sum(this.#held.map(countOf)) + this.#missed)
      .replace("{listed}", listed);
  }

  #release() {
    scrollTo({ top: 0 });
    this.#hold.release();
    this.#show();
    this.#settle();
    document.querySelector("#main").focus({ preventScroll: true });
  }

  #show() {
    // In quick succession, fading in would keep the browser at painting all the time.
    if (performance.now() - this.#updatedAt > CALM_MS) {
      for (const card of this.#held) card.classList.add("card-new");
    }
    this.#places.put(this.#held);
    this.#held = [];
    this.#missed = 0;
    this.#updatedAt = performance.now();
    this.#empty.hidden = true;
    this.#pageFromHere();
  }

  // The older page starts with the newest record that is not on the wall any more.
  #pageFromHere() {
    if (!this.#places.removedTo) return;
    const older = new URL(location.pathname + location.search, location.origin);
    older.searchParams.set("before", this.#places.removedTo + 1);
    this.#older.href = older.pathname + older.search;
    this.#older.hidden = false;
  }

  #offerPlaces(button) {
    const show = () => {
      button.setAttribute("aria-pressed", this.#places.isFixed);
      this.#pageFromHere();
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      this.#places.isFixed = !this.#places.isFixed;
      show();
    });
    show();
  }
}
