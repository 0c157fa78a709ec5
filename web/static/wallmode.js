// The wall alone on a screen, for months: it goes on by itself whatever happens to the hub.

import { load, refresh } from "./parts.js";
import { offerFullScreen, stayAwake } from "./awake.js";
import { Places } from "./wallplaces.js";
import { Stream } from "./stream.js";
import { registerWorker } from "./worker.js";

const MINUTE_MS = 60_000;
// A reload at night, so that nothing can grow for a month.
const RELOAD_HOUR = "04";
const RELOAD_AFTER_MS = 6 * 60 * MINUTE_MS;
// As many places as a screen may have.
const MAX_ARRIVED = 96;
const RETRY_MS = 10_000;

const { seq, changes, now, zone } = document.body.dataset;
const language = document.documentElement.lang;
// The clock of the hub counts: the one of the screen may be wrong.
const ahead = Number(now) - Date.now();
const startedAt = performance.now();
const hubTime = () => new Date(Date.now() + ahead);
// The day before the month, as on the other pages.
const locale = language === "en" ? "en-GB" : language;
const format = (options) => new Intl.DateTimeFormat(locale, { timeZone: zone, ...options });
const timeFormat = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = format({ weekday: "long", day: "numeric", month: "long" });
// Digits alone: in Chinese, the hour would be "04时".
const hourFormat = new Intl.DateTimeFormat("en", { timeZone: zone, hour: "2-digit", hourCycle: "h23" });

const places = new Places(document.querySelector("#wall"), document.querySelector(".wall-empty"));
const alarms = document.querySelector("[data-alarms]");
const banner = document.querySelector("[data-connection]");
const stream = new Stream(Number(seq), Number(changes));

function showTime() {
  document.querySelector("[data-clock]").textContent = timeFormat.format(hubTime());
  document.querySelector("[data-day]").textContent = dayFormat.format(hubTime());
}

// `state` is one of `Stream`. The text says since when.
function showConnection(state) {
  banner.hidden = state === "live";
  for (const line of banner.querySelectorAll("[data-when]")) {
    line.dataset.text ??= line.textContent;
    line.hidden = line.dataset.when !== state;
    if (!line.hidden) line.textContent = line.dataset.text.replace("{time}", timeFormat.format(hubTime()));
  }
}

// The page as the hub would send it now; null while it cannot, or this screen is signed out.
async function fetchPage() {
  const response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(20_000) });
  if (!response.ok || response.redirected) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return page.querySelector("body[data-wall-mode]") && page;
}

const versionOf = (page) => page.querySelector('script[src$="/wallmode.js"]').getAttribute("src");

// Reload only once the hub has answered: a screen must not end on the browser's own error page.
async function reloadIf(isWanted) {
  const page = await fetchPage().catch(() => null);
  if (page && isWanted(page)) location.reload();
  return page;
}

const isNewVersion = (page) => versionOf(page) !== versionOf(document);
let isSignedOut = false;

function look() {
  const isNight = hourFormat.format(hubTime()) === RELOAD_HOUR;
  if (isSignedOut) reloadIf(() => true);
  else if (isNight && performance.now() - startedAt > RELOAD_AFTER_MS) reloadIf(() => true);
}

let isBehind = false;
let retry = 0;
// What came while a fresh page is on its way; null while none is.
let arrived = null;

// One fetch at a time: an older page must not replace a newer one.
async function catchUp() {
  isBehind = true;
  if (arrived) return;
  while (isBehind) {
    isBehind = false;
    arrived = [];
    const page = await reloadIf(isNewVersion);
    if (page && !isBehind) places.replaceWith(page.querySelector("#wall"));
    clearTimeout(retry);
    if (!page && !isSignedOut) retry = setTimeout(catchUp, RETRY_MS);
    // The hub may have made the page before it had these.
    for (const detail of arrived) places.add(detail);
  }
  arrived = null;
}

function add(detail) {
  if (arrived) arrived = [...arrived, detail].slice(-MAX_ARRIVED);
  places.add(detail);
}

function follow() {
  let wasLive = true;
  stream.addEventListener("card", ({ detail }) => add(detail));
  for (const name of ["jump", "erased"]) stream.addEventListener(name, catchUp);
  for (const name of ["alarm", "stale"]) stream.addEventListener(name, () => refresh(alarms));
  stream.addEventListener("change", ({ detail }) => {
    if (detail.kind === "alarm") refresh(alarms);
    // Records that are shown may have been erased.
    if (detail.kind === "erasure") catchUp();
  });
  stream.addEventListener("state", ({ detail: state }) => {
    isSignedOut = state === "signed-out";
    showConnection(state);
    if (state === "live" && !wasLive) {
      load(alarms);
      // The hub was away, perhaps for an update. Records that are shown may have been erased.
      catchUp();
    }
    wasLive = state === "live";
  });
  stream.start();
}

registerWorker();
showTime();
setInterval(showTime, 1_000);
setInterval(look, 5 * MINUTE_MS);
stayAwake(document.querySelector("[data-awake]"));
offerFullScreen(document.querySelector("[data-full-screen]"));
follow();
