// Alarms on every page: their number, what has escalated, the sound; and the new ones on "Live".

import { addressOf } from "./address.js";
import { setAttention } from "./attention.js";
import { refresh, replaceChildren } from "./parts.js";
import { Sound } from "./sound.js";

// Without a connection no alarm would be heard: say so by a tone.
const LOST_MS = 15_000;
// Nobody has seen an alarm that has just appeared, or moved up.
const MIN_SHOWN_MS = 700;
const TOLD_MS = 6_000;

export function followAlarms(stream) {
  const sound = new Sound();
  const state = document.querySelector("#alarm-state");
  const list = document.querySelector("#alarms");
  let isLost = false;
  let told = state.firstElementChild?.dataset.problems;

  const settle = () => {
    const { count, severity, isLoud } = readState(state);
    showCount(state, count);
    showInDialog(state, count);
    // A problem of the hub is told once: as an alarm, or as a problem.
    const { problems } = state.firstElementChild?.dataset ?? {};
    const notices = document.querySelector("#problems");
    if (problems !== told && notices) refresh(notices);
    told = problems;
    // What is minor is only counted.
    if (count && severity !== "minor") sound.play(severity, isLoud);
    else sound.play(isLost ? "lost" : "");
  };
  // The state is replaced by the stream, or fetched again after a change was missed.
  new MutationObserver(settle).observe(state, { childList: true, subtree: true });
  settle();
  const dialog = document.querySelector("#record-dialog");
  if (dialog) new MutationObserver(settle).observe(dialog, { childList: true });

  stream.addEventListener("alarm", ({ detail }) => {
    if (list) showAlarm(list, detail);
    replaceChildren(state, detail.state);
  });

  stream.addEventListener("change", ({ detail }) => {
    if (detail.kind === "alarm" && !detail.key) for (const part of [list, state]) part && refresh(part);
  });

  let losing = null;
  stream.addEventListener("state", ({ detail }) => {
    clearTimeout(losing);
    isLost = false;
    if (detail !== "live") losing = setTimeout(() => ((isLost = true), settle()), LOST_MS);
    settle();
  });

  showSound(sound);
  if (list) {
    // What was done on the page before.
    tell(document.querySelector("#receipt").textContent);
    acknowledgeByKey(list);
    comeBackFiltered(list);
  }
}

function readState(state) {
  const { count, severity, escalated } = state.firstElementChild?.dataset ?? {};
  return { count: Number(count ?? 0), severity, isLoud: Number(escalated ?? 0) > 0 };
}

// In the navigation, and for a tab in the background in its title and icon.
function showCount(state, count) {
  for (const badge of document.querySelectorAll("[data-alarm-count]")) {
    badge.hidden = !count;
    badge.querySelector("[data-number]").textContent = count;
  }
  setAttention("alarms", count ? state.firstElementChild.dataset.title : "");
}

// A record that is open covers the alarms: say so, and lead back to them.
function showInDialog(state, count) {
  const dialog = document.querySelector("#record-dialog[open]");
  const present = dialog?.querySelector(".dialog-alarms");
  if (!dialog || !count) return present?.remove();
  const text = state.firstElementChild.dataset.note;
  if (present?.textContent === text) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "pill pill-bad dialog-alarms";
  button.textContent = text;
  // On other pages than "Live" there are no alarms below it.
  const isLive = document.querySelector("#alarms");
  button.addEventListener("click", () => (isLive ? dialog.close() : location.assign(addressOf("/#alarms"))));
  present?.remove();
  dialog.prepend(button);
}

// Whether a card comes before another one: the most severe is first, then the newest.
function isBefore(card, other) {
  for (const [name, sign] of [["rank", 1], ["since", -1], ["key", -1]]) {
    const difference = sign * (Number(card.dataset[name]) - Number(other.dataset[name]));
    if (difference) return difference < 0;
  }
  return false;
}

// Insert, replace or remove one alarm.
function showAlarm(list, { seq, html }) {
  const present = list.querySelector(`[data-key="${CSS.escape(seq)}"]`);
  const isFull = list.querySelector('[data-key="more"]');
  if (isFull || (!present && html && list.childElementCount >= Number(list.dataset.most))) {
    refresh(list);
    if (!present) return;
  }
  if (!html) {
    if (present?.contains(document.activeElement)) list.focus();
    present?.remove();
    return;
  }
  const template = document.createElement("template");
  template.innerHTML = html;
  const card = template.content.firstElementChild;
  if (present && ["since", "rank"].every((one) => present.dataset[one] === card.dataset[one])) {
    // Only what was repeated: what has the focus stays.
    present.className = card.className;
    for (const part of ["picture", "facts", "relay"]) {
      const [old, fresh] = [present, card].map((one) => one.querySelector(`[data-live=${part}]`));
      if (old.outerHTML !== fresh.outerHTML) old.replaceWith(fresh);
    }
    return;
  }
  present?.remove();
  const next = [...list.children].find((one) => isBefore(card, one));
  list.insertBefore(card, next ?? null);
}

// The key A acknowledges the first alarm, which is the worst, unless somebody is typing.
function acknowledgeByKey(list) {
  const isSteady = watchMoves(list);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "a" || event.repeat) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    list.querySelector("[data-acknowledge]")?.requestSubmit();
  });
  list.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isSteady()) acknowledge(list, event.target);
    else tell(list.dataset.moved);
  });
}

// Whoever opens a gate from an alarm comes back to the captures that were shown: the cards are the
// same for all pages.
function comeBackFiltered(list) {
  list.addEventListener("click", ({ target }) => {
    const link = target.closest("[data-live=relay] > a");
    if (link) link.search = new URLSearchParams({ next: `/${location.search}` });
  });
}

// Returns a function: whether all alarms have been where they are for a while. Otherwise a key or a
// click may be meant for another one.
function watchMoves(list) {
  const keysOf = () => [...list.children].map(({ dataset }) => dataset.key);
  let [keys, movedAt] = [keysOf(), performance.now()];
  new MutationObserver(() => {
    const before = keys;
    keys = keysOf();
    // A card may be replaced by itself, and others may follow it.
    if (before.length && before.every((key, at) => key === keys[at])) return;
    movedAt = performance.now();
  }).observe(list, { childList: true });
  return () => performance.now() - movedAt >= MIN_SHOWN_MS;
}

// Over the page, so that nothing moves.
let telling;
function tell(text) {
  const receipt = document.querySelector("#receipt");
  receipt.textContent = text;
  receipt.hidden = !text;
  clearTimeout(telling);
  telling = setTimeout(() => (receipt.hidden = true), TOLD_MS);
}

// The card goes when the hub says that it was acknowledged, not before.
async function acknowledge(list, form) {
  const button = form.querySelector("button");
  const what = ["h2", ".alarm-place"]
    .map((one) => form.closest(".alarm").querySelector(one)?.textContent)
    .filter(Boolean)
    .join(" · ");
  const problem = form.querySelector("[data-problem]");
  if (button.disabled) return;
  const body = new URLSearchParams(new FormData(form));
  const hadFocus = form.contains(document.activeElement);
  button.disabled = true;
  problem.hidden = true;
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { "X-Part": "1" } });
    if (!response.ok || response.redirected) throw new Error(response.status);
    // Usually the stream was faster.
    replaceChildren(list, await response.text());
    tell(list.dataset.done.replace("{alarm}", what));
  } catch {
    problem.hidden = false;
  } finally {
    button.disabled = false;
    // A button that is disabled or removed loses the focus.
    if (hadFocus && document.activeElement === document.body) {
      (form.isConnected ? button : list).focus({ preventScroll: true });
    }
  }
}

// The button of the sound says whether alarms can be heard. Turning it off takes two clicks.
function showSound(sound) {
  const menu = document.querySelector("#sound");
  const show = () => {
    menu.hidden = false;
    menu.dataset.state = sound.state;
    for (const one of document.querySelectorAll("[data-sound]")) {
      one.hidden = !one.dataset.sound.split(" ").includes(sound.state);
    }
  };
  sound.addEventListener("state", show);
  show();
  document.addEventListener("click", ({ target }) => {
    const action = target.closest("[data-sound-action]")?.dataset.soundAction;
    if (action === "on") sound.turnOn();
    else if (action === "test") sound.test();
    else if (action === "off") sound.turnOff();
  });
  // Who signs out leaves: the next one turns the sound on again.
  document.addEventListener("submit", ({ target }) => {
    if (target.matches('[action$="/sign-out"]')) sound.turnOff();
  });
}
