// Opens a record in a dialog over the page, with its own address; "back" closes it.

import { addressOf } from "./address.js";
import { offerActions } from "./record-actions.js";

const RETRY_MS = 3_000;
const TIMEOUT_MS = 10_000;
// After this long without an answer, the dialog says that the hub does not respond.
const PATIENCE_MS = 3_000;
const MAX_COUNTED = 999;

// Returns `{ addNewer, heal }`: what to do with a new record that the wall would show, and when the
// hub can be reached again.
export function openRecordsInPlace(dialog) {
  const pageUrl = location.pathname + location.search;
  const away = document.querySelector("#hub-away");
  let opener = null;
  let wanted = "";
  let retry = 0;
  // Ends the request that is under way; another one once it is not wanted any more.
  let asking = null;
  let newer = [];

  // Resolves to false if the hub answers with something else than the record.
  async function show(url) {
    wanted = url;
    clearTimeout(retry);
    asking?.abort();
    const own = (asking = new AbortController());
    const impatience = setTimeout(sayAway, PATIENCE_MS);
    const { html, isAway } = await fetchRecord(url, own);
    clearTimeout(impatience);
    if (asking !== own) return true;
    if (isAway) retryLater(url);
    else if (html === undefined) return false;
    else showRecord(url, html);
    return true;
  }

  function showRecord(url, html) {
    dialog.innerHTML = html;
    offerActions(dialog);
    const seq = seqOf(url);
    newer = newer.filter((one) => one > seq);
    showNewer();
    open();
    dialog.querySelector("h1").focus();
  }

  // Say it here: the browser's own error page would replace the wall.
  function sayAway() {
    if (!dialog.querySelector("[data-away]")) {
      dialog.replaceChildren(away.content.cloneNode(true));
      open();
      dialog.querySelector("h1").focus();
    }
    dialog.querySelector("[data-again]").disabled = false;
  }

  function retryLater(url) {
    sayAway();
    retry = setTimeout(() => showOrLeave(url), RETRY_MS);
  }

  function open() {
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  async function showOrLeave(url) {
    if (!(await show(url))) location.href = url;
  }

  async function follow(link) {
    opener = link;
    newer = [];
    if (!(await show(link.href))) return (location.href = link.href);
    if (wanted !== link.href) return; // It was closed before the hub responded.
    remember(link.href);
    history.pushState({ record: link.href }, "", link.href);
  }

  // Whoever comes back to this page, and not only to this document, goes on at the same card.
  function remember(url) {
    history.replaceState({ card: seqOf(url) }, "");
  }

  function focusCard(seq) {
    const link = document.querySelector(`.card[data-key="${CSS.escape(seq)}"] > .card-link`);
    (link ?? opener)?.focus({ preventScroll: link === opener });
  }

  async function step(link) {
    const { step: direction } = link.dataset;
    const { href } = link;
    if (!(await show(href)) || wanted !== href) return;
    history.replaceState({ record: href }, "", href);
    dialog.querySelector(`[data-step="${direction}"]:not([hidden])`)?.focus();
  }

  // Records that arrived while this one was open.
  function showNewer() {
    const all = dialog.querySelector('[data-step="newest"]');
    const next = dialog.querySelector('[data-step="newer"]');
    if (!all || !newer.length) return;
    const urlOf = (seq) => new URL(addressOf(`/records/${seq}${new URL(wanted).search}`), location.origin);
    all.href = urlOf(newer.at(-1));
    all.textContent = all.dataset.text.replace("{n}", newer.length);
    all.hidden = false;
    if (!next.hidden) return;
    next.href = urlOf(newer[0]);
    next.hidden = false;
  }

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey)
      return;
    const link = event.target.closest("a");
    if (!link) {
      if (event.target === dialog) dialog.close();
      const again = event.target.closest("[data-again]");
      if (again) {
        again.disabled = true;
        showOrLeave(wanted);
      }
      return;
    }
    if (link.matches(".card-link")) follow(link);
    else if (dialog.contains(link) && link.matches("[data-step]")) step(link);
    else if (dialog.contains(link) && link.matches("[data-close]")) dialog.close();
    else return;
    event.preventDefault();
  });

  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select")) return;
    const direction = { ArrowLeft: "newer", ArrowRight: "older" }[event.key];
    dialog.querySelector(`[data-step="${direction}"]:not([hidden])`)?.click();
  });

  dialog.addEventListener("close", () => {
    const seq = seqOf(wanted);
    wanted = "";
    asking?.abort();
    asking = null;
    clearTimeout(retry);
    dialog.replaceChildren();
    if (history.state?.record) history.back();
    focusCard(seq);
  });

  addEventListener("popstate", (event) => {
    if (event.state?.record) show(event.state.record);
    else if (dialog.open) dialog.close();
    else if (location.pathname + location.search !== pageUrl) location.reload();
  });

  if (history.state?.card) focusCard(history.state.card);

  return {
    addNewer(seq) {
      if (!dialog.open || seq <= seqOf(wanted)) return;
      newer = [...newer, seq].slice(-MAX_COUNTED);
      showNewer();
    },
    heal() {
      if (!dialog.open) return;
      if (dialog.querySelector("[data-away]")) showOrLeave(wanted);
      for (const image of dialog.querySelectorAll("img")) {
        if (image.complete && !image.naturalWidth) image.src = image.getAttribute("src");
      }
    },
  };
}

const seqOf = (url) => Number(new URL(url, location.origin).pathname.split("/").at(-1));

// `html` is missing if the answer is something else, such as the sign-in page.
async function fetchRecord(url, controller) {
  const deadline = setTimeout(() => controller.abort(), TIMEOUT_MS);
  try {
    const options = { headers: { "X-Part": "1" }, signal: controller.signal };
    const response = await fetch(url, options);
    if (response.status >= 500 || response.status === 429) return { isAway: true };
    return response.ok && !response.redirected ? { html: await response.text() } : {};
  } catch {
    return { isAway: true };
  } finally {
    clearTimeout(deadline);
  }
}
