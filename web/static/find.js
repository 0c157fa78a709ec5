// A search form whose result, a part of the page, follows what is typed; so does the address.

import { isFilled, load } from "./parts.js";

const PAUSE_MS = 150;

export function findWhileTyping(form) {
  const part = document.querySelector(form.dataset.find);
  let timer = 0;

  function query() {
    const fields = [...new FormData(form)].filter(([, value]) => value !== "");
    return fields.length ? `?${new URLSearchParams(fields)}` : "";
  }

  async function find() {
    clearTimeout(timer);
    history.replaceState(history.state, "", form.action + query());
    part.dataset.part = form.dataset.table + query();
    part.setAttribute("aria-busy", "true");
    await load(part);
    part.removeAttribute("aria-busy");
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, PAUSE_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    find();
  });
  for (const button of form.querySelectorAll("[data-no-script]")) button.hidden = true;
  // Typed before this script was there.
  if (isFilled(form)) find();
}
