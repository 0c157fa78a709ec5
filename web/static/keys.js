// Keys that work on every page, and the dialog that lists all of them.

const TYPING = "input, textarea, select, [contenteditable]";

export function listenForKeys(dialog) {
  for (const button of document.querySelectorAll("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const menu = button.closest("details");
      if (menu) menu.open = false;
      dialog.showModal();
    });
  }
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest(TYPING)) return;
    if (event.key === "?") show(event, dialog);
    else if (event.key === "/") search(event);
  });
}

function show(event, dialog) {
  event.preventDefault();
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

// To the field for it on this page, else to the page for it, which not everybody may use.
function search(event) {
  const field = document.querySelector("main [data-search-field], main input[type=search]");
  const link = document.querySelector(".rail nav [data-search-page]");
  if (document.querySelector("dialog[open]") || !(field ?? link)) return;
  event.preventDefault();
  if (field) field.focus();
  else location.assign(link.href);
}
