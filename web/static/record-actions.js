// What can be done with a record only by a script: copy its link.

const SHOWN_MS = 2_000;

export function offerActions(root) {
  // Browsers allow the clipboard on secure origins only.
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy-link]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  const text = button.querySelector("span");
  const before = text.textContent;
  await navigator.clipboard.writeText(new URL(button.dataset.copyLink, location.origin).href);
  text.textContent = button.dataset.done;
  setTimeout(() => (text.textContent = before), SHOWN_MS);
}
