// Shows new alarms as notifications of the computer while nobody looks at a page of the hub.

import { addressOf, ownName } from "./address.js";

const KEY = ownName("sitehub-notifications");
// One tab shows them; when it closes, the next one does.
const SHOWS = ownName("sitehub-shows-notifications");
// Held by each tab that somebody can see.
const VISIBLE = ownName("sitehub-visible");

const isSupported = () => "Notification" in window && Boolean(navigator.locks);
const isWanted = () => localStorage.getItem(KEY) === "on" && Notification.permission === "granted";

export function showNotifications(stream) {
  if (!isSupported()) return;
  tellVisibility();
  let shows = false;
  navigator.locks.request(SHOWS, () => {
    shows = true;
    return new Promise(() => {});
  });
  const told = new Map();
  stream.addEventListener("alarm", async ({ detail: { seq, html } }) => {
    const card = parse(html);
    if (!card) return told.delete(seq);
    // A repeat of the same alarm; one that became new again is told again.
    if (told.get(seq) === card.dataset.since) return;
    told.set(seq, card.dataset.since);
    if (shows && isWanted() && !(await isSomethingVisible())) show(seq, card);
  });
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

const textOf = (card, selector) => card.querySelector(selector)?.textContent.trim() ?? "";

async function show(seq, card) {
  const icon = document.querySelector('link[rel="icon"]').dataset.alarm;
  const url = addressOf(seq > 0 ? `/alarms/${seq}` : "/");
  const title = `${textOf(card, ".severity")}: ${textOf(card, "h2")}`;
  const parts = [textOf(card, ".alarm-kind"), textOf(card, ".alarm-place")];
  const options = {
    body: parts.filter(Boolean).join(" · "),
    // Several tabs, or a repeat, show one notification.
    tag: `alarm-${seq}`,
    requireInteraction: card.matches(".alarm-critical"),
    icon,
    data: { url },
  };
  const worker = await navigator.serviceWorker?.getRegistration().catch(() => undefined);
  // Phones show notifications of service workers only.
  if (worker?.active) return worker.showNotification(title, options);
  const notification = new Notification(title, options);
  notification.addEventListener("click", () => {
    notification.close();
    window.focus();
    location.assign(url);
  });
}

// Hold a shared lock while this tab can be seen.
function tellVisibility() {
  let release = null;
  const tell = () => {
    const isVisible = document.visibilityState === "visible";
    if (isVisible && !release) {
      const hidden = new Promise((done) => (release = done));
      navigator.locks.request(VISIBLE, { mode: "shared" }, () => hidden);
    } else if (!isVisible) {
      release?.();
      release = null;
    }
  };
  document.addEventListener("visibilitychange", tell);
  tell();
}

async function isSomethingVisible() {
  const { held } = await navigator.locks.query();
  return held.some(({ name }) => name === VISIBLE);
}

// The section of the page "My account". The browser is asked only after a click.
export function offerNotifications(section) {
  const state = () => {
    if (!isSupported()) return "unsupported";
    if (Notification.permission === "denied") return "denied";
    return isWanted() ? "on" : "off";
  };
  const update = () => {
    for (const one of section.querySelectorAll("[data-when]")) {
      one.hidden = one.dataset.when !== state();
    }
  };
  section.addEventListener("click", async ({ target }) => {
    const action = target.closest("[data-notify-action]")?.dataset.notifyAction;
    if (action === "on") {
      localStorage.setItem(KEY, "on");
      await Notification.requestPermission();
    } else if (action === "off") localStorage.removeItem(KEY);
    if (action) update();
  });
  section.hidden = false;
  update();
}
