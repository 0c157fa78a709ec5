// Tells the hub how far somebody has looked at the wall, and marks cards as reviewed.

import { addressOf } from "./address.js";
import { seqOf } from "./repeats.js";

const SEEN_MS = 60_000;
const FIRST_MS = 3_000;
// Nobody looks at a wall on which nothing was touched for so long, as far as the page can know.
const USED_MS = 300_000;

export function followReviews(wall, form) {
  let usedAt = Date.now();
  let sent = -1;
  for (const name of ["pointermove", "pointerdown", "keydown", "scroll"]) {
    addEventListener(name, () => (usedAt = Date.now()), { passive: true });
  }
  const newest = () => Math.max(0, ...[...wall.querySelectorAll(":scope > .card")].map(seqOf));
  const token = form.elements.csrf_token.value;
  const body = (fields) => new URLSearchParams({ csrf_token: token, ...fields });

  // With a filter, records that are left out were not seen.
  const isWhole = !wall.dataset.kind && !wall.dataset.did;
  const tell = () => {
    const seq = newest();
    if (!isWhole || Date.now() - usedAt > USED_MS) return;
    if (navigator.sendBeacon(addressOf("/wall-seen"), body({ seq }))) sent = seq;
  };
  const tellIfVisible = () => document.visibilityState === "visible" && tell();
  setTimeout(tellIfVisible, FIRST_MS);
  setInterval(tellIfVisible, SEEN_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden" && newest() !== sent) tell();
  });

  // The key R marks the card that has the focus.
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "r" || event.repeat) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    const button = event.target.closest(".card")?.querySelector(":scope > .card-review");
    if (button) form.requestSubmit(button);
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { name, value, dataset } = event.submitter;
    // The page may have newer cards than when it was loaded.
    const seq = "newest" in dataset ? newest() : Number(value);
    const options = { method: "POST", headers: { "X-Part": "1" }, body: body({ [name]: seq }) };
    const response = await fetch(form.action, options).catch(() => null);
    // Without a connection, the page says so.
    if (!response) return;
    if (!response.ok || response.redirected) return location.reload();
    for (const card of wall.querySelectorAll(":scope > .card")) {
      const isMeant = name === "upto" ? seqOf(card) <= seq : seqOf(card) === seq;
      if (isMeant) card.classList.add("card-reviewed");
    }
  });
}
