// Shows the captures of a camera in a dialog, with arrows to newer and older ones on the page.

export function showCaptures(dialog) {
  dialog.replaceChildren(dialog.querySelector("template").content);
  const part = (name) => dialog.querySelector(`[data-${name}]`);
  const step = (name) => dialog.querySelector(`[data-step="${name}"]`);
  // The list may still be arriving from the camera.
  const cards = () => [...document.querySelectorAll(".history .card:has(a.card-picture)")];
  let shown = null;

  function show(card) {
    shown = card;
    const text = (selector) => card.querySelector(selector)?.textContent ?? "";
    part("title").textContent = text("h3");
    part("time").textContent = text("time");
    part("facts").textContent = text(".card-facts");
    const known = card.querySelectorAll(".card-known, .badge");
    part("known").replaceChildren(...[...known].map((one) => one.cloneNode(true)));
    showPictures(card);
    updateSteps();
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  function showPictures(card) {
    const several = [...card.querySelectorAll(".card-pictures a")];
    const links = several.length ? several : [card.querySelector("a.card-picture")];
    const pictures = part("pictures");
    pictures.className = `record-pictures record-pictures-${links.length}`;
    pictures.replaceChildren(...links.map(makeFigure));
  }

  function updateSteps() {
    const all = cards();
    step("newer").hidden = shown === all[0];
    step("older").hidden = shown === all.at(-1);
  }

  function move(by) {
    const all = cards();
    const next = all[all.indexOf(shown) + by];
    if (!next) return;
    show(next);
    // A button that disappears loses the focus.
    if (!dialog.contains(document.activeElement)) part("title").focus();
  }

  document.addEventListener("click", (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const card = event.target.closest(".history .card a")?.closest(".card");
    if (!card) return;
    event.preventDefault();
    show(card);
    part("title").focus();
  });

  step("newer").addEventListener("click", () => move(-1));
  step("older").addEventListener("click", () => move(1));
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", ({ key }) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (by) move(by);
  });
  dialog.addEventListener("close", () => {
    shown?.querySelector("a.card-picture")?.focus({ preventScroll: false });
    part("pictures").replaceChildren();
  });
}

function makeFigure(link) {
  const figure = document.createElement("figure");
  const anchor = document.createElement("a");
  const image = document.createElement("img");
  const caption = document.createElement("figcaption");
  [anchor.href, anchor.target, anchor.rel] = [link.href, "_blank", "noopener"];
  image.src = link.href;
  [image.width, image.height, image.decoding] = [640, 480, "async"];
  const hidden = link.querySelector(".visually-hidden");
  caption.textContent = image.alt = (hidden ?? link).textContent.split(",")[0];
  anchor.append(image);
  figure.append(anchor, caption);
  return figure;
}
