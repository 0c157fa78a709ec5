// Opens a record in a dialog over the wall, with its own address; "back" closes it.

import { fetchPart } from "./parts.js";

export function openRecordsInPlace(dialog) {
  const wallUrl = location.pathname + location.search;
  let opener = null;

  async function show(url) {
    const html = await fetchPart(url).catch(() => null);
    if (html === null) return false;
    dialog.innerHTML = html;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    dialog.querySelector("h1").focus();
    return true;
  }

  async function open(link) {
    opener = link;
    if (await show(link.href)) history.pushState({ record: link.href }, "", link.href);
    else location.href = link.href;
  }

  async function step(link) {
    const { step: wanted } = link.dataset;
    if (!(await show(link.href))) return;
    history.replaceState({ record: link.href }, "", link.href);
    dialog.querySelector(`[data-step="${wanted}"]:not([hidden])`)?.focus();
  }

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey)
      return;
    const link = event.target.closest("a");
    if (!link) {
      if (event.target === dialog) dialog.close();
      return;
    }
    if (link.matches(".card-link")) open(link);
    else if (dialog.contains(link) && link.matches("[data-step]")) step(link);
    else if (dialog.contains(link) && link.matches("[data-close]")) dialog.close();
    else return;
    event.preventDefault();
  });

  dialog.addEventListener("keydown", (event) => {
    const wanted = { ArrowLeft: "newer", ArrowRight: "older" }[event.key];
    dialog.querySelector(`[data-step="${wanted}"]:not([hidden])`)?.click();
  });

  dialog.addEventListener("close", () => {
    dialog.replaceChildren();
    if (history.state?.record) history.back();
    opener?.focus({ preventScroll: true });
  });

  addEventListener("popstate", (event) => {
    if (event.state?.record) show(event.state.record);
    else if (dialog.open) dialog.close();
    else if (location.pathname + location.search !== wallUrl) location.reload();
  });
}
