// A person on the blacklist is announced on every page and over every dialog, unless the wall itself
// shows the card where it can be seen.

import { setAttention } from "./attention.js";

const MAX_SHOWN = 3;
// Of the time in which this tab can be seen.
const SHOWN_MS = 60_000;
const STEP_MS = 1_000;

const place = document.querySelector("#listed");
const template = document.querySelector("#listed-person");
const left = new Map();

export function announceListed(stream, isOnWall) {
  stream.addEventListener("card", ({ detail }) => {
    if (detail.listed && !isOnWall()) announce(detail);
  });
  // There is an alarm for this record, which every page shows as well, but no dialog.
  stream.addEventListener("alarm", ({ detail }) => {
    if (!document.querySelector("dialog[open]")) remove(noteOf(detail.record));
  });
  // A dialog covers everything that is not in it, and may replace what is in it.
  const changes = { attributeFilter: ["open"], childList: true };
  for (const dialog of document.querySelectorAll("dialog")) {
    new MutationObserver(move).observe(dialog, changes);
  }
  place.addEventListener("click", ({ target }) => {
    if (target.closest("button")) remove(target.closest("[data-seq]"));
  });
  setInterval(forget, STEP_MS);
}

const noteOf = (seq) => place.querySelector(`[data-seq="${seq}"]`);

function announce({ seq, html }) {
  const card = document.createElement("template");
  card.innerHTML = html;
  const textOf = (part) => card.content.querySelector(part)?.textContent ?? "";
  const note = template.content.cloneNode(true).firstElementChild;
  note.dataset.seq = seq;
  const link = note.querySelector("a");
  link.href = card.content.querySelector(".card-link").getAttribute("href");
  link.textContent = textOf(".card-known span:last-of-type") || textOf("h3");
  note.querySelector("[data-where]").textContent = [textOf(".card-camera"), textOf("time")]
    .map((text) => text.trim())
    .filter(Boolean)
    .join(" · ");
  place.prepend(note);
  left.set(note, SHOWN_MS);
  while (place.childElementCount > MAX_SHOWN) remove(place.lastElementChild);
  settle();
}

function remove(note) {
  if (!note) return;
  left.delete(note);
  note.remove();
  settle();
}

function forget() {
  if (document.hidden) return;
  for (const [note, ms] of left) {
    if (ms <= STEP_MS) remove(note);
    else left.set(note, ms - STEP_MS);
  }
}

function move() {
  const home = document.querySelector("dialog[open]") ?? document.body;
  if (place.parentElement !== home) home.append(place);
}

function settle() {
  const [first] = place.children;
  const name = first?.querySelector("a").textContent;
  setAttention("listed", first ? template.dataset.title.replace("{name}", name) : "");
}
