// Repeats: the same person or plate at the same camera, seen again within a minute, on one card.

const REPEAT_MS = 60_000;
// The hub lists as many.
const MAX_LISTED = 50;

// An element shows the same record as long as it exists, and its attributes are slow to read.
const seqs = new WeakMap();

export function seqOf(card) {
  if (!seqs.has(card)) seqs.set(card, Number(card.dataset.key));
  return seqs.get(card);
}

export const countOf = (card) => Number(card.dataset.count ?? 1);

const entriesOf = (card) => [...card.querySelectorAll(".card-repeats li")];

// The records that a card leads to, its own first.
export function seqsOf(card) {
  return [seqOf(card), ...entriesOf(card).map((entry) => Number(entry.dataset.seq))];
}

// Whether both cards belong together: they share a record, or are within a minute.
export function isRepeat(card, other) {
  if (!card.dataset.repeat || card.dataset.repeat !== other.dataset.repeat) return false;
  const known = new Set(seqsOf(other));
  if (seqsOf(card).some((seq) => known.has(seq))) return true;
  const [early, late] = seqOf(card) < seqOf(other) ? [card, other] : [other, card];
  const first = entriesOf(late).at(-1) ?? late;
  return Math.abs(Number(first.dataset.at) - Number(early.dataset.at)) <= REPEAT_MS;
}

// Returns the later one of both cards, which now also stands for the records of the other.
export function merge(one, other) {
  const [early, late] = seqOf(one) < seqOf(other) ? [one, other] : [other, one];
  const known = new Set(seqsOf(late));
  const shared = seqsOf(early).filter((seq) => known.has(seq)).length;
  const entries = [...entriesOf(late), entryOf(early), ...entriesOf(early)];
  const bySeq = new Map(entries.map((entry) => [Number(entry.dataset.seq), entry]));
  bySeq.delete(seqOf(late));
  const newest = [...bySeq].sort(([seq], [otherSeq]) => otherSeq - seq).slice(0, MAX_LISTED);
  late.querySelector(".card-repeats ol").replaceChildren(...newest.map(([, entry]) => entry));
  const count = countOf(late) + countOf(early) - shared;
  late.dataset.count = count;
  late.querySelector(".card-repeats").hidden = count < 2;
  late.querySelector(".card-repeats b").textContent = count;
  return late;
}

// How a card is listed on that of a later record.
function entryOf(card) {
  const entry = document.createElement("li");
  entry.dataset.seq = card.dataset.key;
  entry.dataset.at = card.dataset.at;
  const link = document.createElement("a");
  link.className = "card-link";
  link.href = card.querySelector(".card-link").href;
  link.textContent = card.querySelector(".card-time time").textContent;
  entry.append(link);
  return entry;
}
