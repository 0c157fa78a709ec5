// The wall: new cards appear on top, wait while somebody is looking, and old ones are removed.

import { fetchPart } from "./parts.js";

const MAX_CARDS = 120;
// A mouse left over the wall must not pause it for the rest of the shift.
const MAX_HOVER_MS = 30_000;

const seqOf = (card) => Number(card.dataset.key);
const isListed = (card) => card.matches(".card-black");

export class Wall {
  #wall;
  #held = [];
  #missed = 0;
  #hovered = false;
  #touchedAt = 0;
  #pill = document.querySelector("[data-pill]");
  #sign = document.querySelector("[data-live-sign]");
  #empty = document.querySelector("#wall-empty");
  #older = document.querySelector("[data-older]");

  constructor(wall) {
    this.#wall = wall;
    const touched = () => (this.#touchedAt = Date.now());
    // The frame includes the button for new cards, so moving there keeps the wall paused.
    const frame = wall.parentElement;
    frame.addEventListener("pointerenter", (event) => {
      this.#hovered = event.pointerType === "mouse";
      touched();
    });
    frame.addEventListener("pointermove", touched);
    frame.addEventListener("pointerleave", () => {
      this.#hovered = false;
      this.#settle();
    });
    for (const name of ["keydown", "focusin"]) document.addEventListener(name, touched);
    wall.addEventListener("focusout", () => setTimeout(() => this.#settle()));
    addEventListener("scroll", () => this.#settle(), { passive: true });
    setInterval(() => this.#settle(), 1_000);
    this.#pill.addEventListener("click", () => this.#release());
  }

  add({ kind, did, html }) {
    const { kind: onlyKind, did: onlyDid, query } = this.#wall.dataset;
    if ((onlyKind && onlyKind !== kind) || (onlyDid && onlyDid !== did)) return;
    const template = document.createElement("template");
    template.innerHTML = html;
    const card = template.content.firstElementChild;
    // The page or a reloaded wall may already contain records that the stream still sends.
    if (this.#all().some((one) => seqOf(one) === seqOf(card))) return;
    card.querySelector("a").href += query;
    card.classList.add("card-new");
    this.#held.push(card);
    if (this.#held.length > MAX_CARDS) {
      const least = this.#held.findIndex((one) => !isListed(one));
      this.#held.splice(Math.max(least, 0), 1);
      this.#missed += 1;
    }
    this.#settle();
  }

  // Too many records were missed: fetch the wall as it is now.
  async reload() {
    const html = await fetchPart(location.pathname + location.search).catch(() => null);
    const page = html && new DOMParser().parseFromString(html, "text/html");
    const fresh = [...(page?.querySelector("#wall")?.children ?? [])];
    const known = new Set(this.#all().map(seqOf));
    const missed = fresh.filter((card) => !known.has(seqOf(card)));
    // No overlap: the records in between are on the older page.
    if (missed.length && missed.length === fresh.length) {
      this.#wall.replaceChildren();
      this.#held = [];
    }
    this.#held = [...this.#held, ...missed].sort((one, other) => seqOf(one) - seqOf(other));
    this.#settle();
  }

  #all() {
    return [...this.#held, ...this.#wall.children];
  }

  get #isHeld() {
    if (document.querySelector("dialog[open]")) return true;
    if (scrollY > 160) return true;
    const looked = this.#hovered || this.#wall.matches(":focus-within");
    return looked && Date.now() - this.#touchedAt < MAX_HOVER_MS;
  }

  #settle() {
    const held = this.#isHeld;
    if (!held && this.#held.length) this.#show();
    this.#showPill();
    this.#sign.classList.toggle("held", held);
    this.#sign.querySelector('[data-when="held"]').hidden = !held;
    this.#sign.querySelector('[data-when="moving"]').hidden = held;
  }

  // The button shows at once if a person on the blacklist is among the new cards.
  #showPill() {
    const listed = this.#held.filter(isListed).length;
    const { text, textListed } = this.#pill.dataset;
    this.#pill.hidden = !this.#held.length;
    this.#pill.classList.toggle("pill-bad", listed > 0);
    this.#pill.lastElementChild.textContent = (listed ? textListed : text)
      .replace("{n}", this.#held.length + this.#missed)
      .replace("{listed}", listed);
  }

  #release() {
    scrollTo({ top: 0 });
    this.#touchedAt = 0;
    this.#show();
    this.#settle();
    document.querySelector("#main").focus({ preventScroll: true });
  }

  #show() {
    const top = this.#wall.firstElementChild;
    this.#wall.prepend(...this.#held.reverse());
    // Cards from a reload may belong further down.
    if (top && this.#held.some((card) => seqOf(card) < seqOf(top))) {
      const cards = [...this.#wall.children];
      this.#wall.replaceChildren(...cards.sort((one, other) => seqOf(other) - seqOf(one)));
    }
    this.#held = [];
    this.#missed = 0;
    this.#empty.hidden = true;
    if (this.#wall.children.length > MAX_CARDS) {
      while (this.#wall.children.length > MAX_CARDS) this.#wall.lastElementChild.remove();
      this.#pageFromHere();
    }
  }

  // The older page starts with the first card that was removed.
  #pageFromHere() {
    const older = new URL(location.pathname + location.search, location.origin);
    older.searchParams.set("before", this.#wall.lastElementChild.dataset.key);
    this.#older.href = older.pathname + older.search;
    this.#older.hidden = false;
  }
}
