// The arrow keys walk from card to card.

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

export function walkByArrows(wall) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (document.querySelector("dialog[open]")) return;
    const links = [...wall.querySelectorAll(":scope > .card > .card-link")];
    const card = document.activeElement.closest(".card");
    const at = links.findIndex((link) => link.parentElement === card);
    const next = at < 0 ? enter(event, links) : leadTo(event.key, links, at);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}

// Up and down scroll the page as long as nothing on the wall has the focus.
function enter({ key }, links) {
  const isFree = document.activeElement.matches("body, main");
  return isFree && key === "ArrowRight" ? links[0] : undefined;
}

function leadTo(key, links, at) {
  if (key in STEPS) return links[at + STEPS[key]];
  if (key === "Home") return links[0];
  if (key === "End") return links.at(-1);
  if (key === "ArrowDown") return nearest(links[at], links.slice(at + 1));
  if (key === "ArrowUp") return nearest(links[at], links.slice(0, at).reverse());
  return undefined;
}

// The link in the nearest other row, as far as possible in the same column.
function nearest(link, others) {
  const place = link.getBoundingClientRect();
  const placed = others
    .map((other) => [other, other.getBoundingClientRect()])
    .filter(([, { top }]) => Math.abs(top - place.top) > place.height / 2);
  const row = placed[0]?.[1].top;
  const inRow = placed.filter(([, { top }]) => Math.abs(top - row) < 2);
  const distance = ([, { left }]) => Math.abs(left - place.left);
  return inRow.sort((one, other) => distance(one) - distance(other))[0]?.[0];
}
