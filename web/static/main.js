// Keeps the pages up to date. Without it they work, but show the state at loading.

import { listenForKeys } from "./keys.js";
import { offerNotifications, showNotifications } from "./notify.js";
import { isInUse, refresh } from "./parts.js";
import { removeMissingPictures, retryPictures } from "./pictures.js";
import { Stream } from "./stream.js";
import { registerWorker } from "./worker.js";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Load a module only on pages that need it.
async function onElement(selector, use) {
  const element = document.querySelector(selector);
  return element && use(element);
}

async function followHub() {
  const wallElement = document.querySelector("#wall[data-live]");
  const [{ followAlarms }, { announceListed }, wallModule, records] = await Promise.all([
    import("./alarms.js"),
    import("./listed.js"),
    wallElement && import("./wall.js"),
    opensRecords,
  ]);
  const wall = wallElement && new wallModule.Wall(wallElement);
  const sign = document.querySelector("[data-live-sign]");
  const { seq, changes } = document.body.dataset;
  const stream = new Stream(Number(seq), Number(changes));

  stream.addEventListener("card", ({ detail }) => {
    wall?.add(detail);
    if (wall?.matches(detail)) records?.addNewer(detail.seq);
    if (detail.picture) showLastPicture(detail);
  });
  stream.addEventListener("jump", () => wall?.reload());
  stream.addEventListener("erased", reloadRecords);
  stream.addEventListener("change", ({ detail }) => {
    if (detail.kind === "erasure") reloadRecords();
    for (const part of all(`[data-on~="${CSS.escape(detail.kind)}"]`)) {
      // Without a key, all of that kind have changed.
      if (!part.dataset.of || !detail.key || part.dataset.of === detail.key) refresh(part);
    }
    reloadIfEmpty(`[data-reload-on~="${CSS.escape(detail.kind)}"]`);
  });
  // Something changed between the rendering of this page and the start of its stream.
  stream.addEventListener("stale", () => {
    all("[data-part]").forEach(refresh);
    reloadIfEmpty("[data-reload-on]");
  });

  let wasLost = false;
  stream.addEventListener("state", ({ detail: state }) => {
    showConnection(state);
    if (sign) sign.hidden = state !== "live";
    if (state === "live" && wasLost) {
      // Changes were missed while the connection was lost.
      all("[data-part]").forEach(refresh);
      retryPictures();
      records?.heal();
    }
    wasLost = state !== "live";
  });
  if (document.querySelector("#alarm-state")) followAlarms(stream);
  showNotifications(stream);
  announceListed(stream, () => Boolean(wall?.isSeen));
  stream.start();
}

// Records that are shown may have been erased.
function reloadRecords() {
  if (document.querySelector(".wall, .record")) location.reload();
}

// `state` is one of `Stream`.
function showConnection(state) {
  const banner = document.querySelector("#connection");
  banner.hidden = state === "live";
  for (const line of all("[data-when]", banner)) line.hidden = line.dataset.when !== state;
}

// The hub stopped while the page was loading its modules, so the page cannot follow it.
function reloadOnceReachable() {
  showConnection("lost");
  setInterval(async () => {
    const options = { cache: "reload", signal: AbortSignal.timeout(3_500) };
    const answer = await fetch(import.meta.url, options).catch(() => null);
    if (answer?.ok && !isLeaving && !isInUse(document.body)) location.reload();
  }, 4_000);
}

// If the record was opened on the wall, the browser takes the way back there for one within this page.
function reloadOnReturn() {
  const { pathname } = location;
  addEventListener("popstate", () => location.pathname !== pathname && location.reload());
}

// A reload would cancel a navigation to another page.
let isLeaving = false;
addEventListener("beforeunload", () => {
  isLeaving = true;
});
addEventListener("pageshow", () => {
  isLeaving = false;
});

// An empty page has a different layout once there is something to show.
function reloadIfEmpty(selector) {
  if (isLeaving || isInUse(document.body)) return;
  if (document.querySelector(selector)) location.reload();
}

function showLastPicture({ did, picture }) {
  const images = all(`[data-last-picture-of="${CSS.escape(did)}"]`);
  for (const image of images) image.src = picture;
  if (images.length) return;
  // The camera's first picture: there is no element for it yet.
  for (const part of all("[data-shows-pictures]")) {
    if (!part.dataset.of || part.dataset.of === did) refresh(part);
  }
}

function addCopyButtons() {
  for (const button of all("[data-copy]")) {
    // Browsers allow the clipboard on secure origins only.
    if (!navigator.clipboard) continue;
    button.hidden = false;
    const text = button.querySelector("span");
    const before = text.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      text.textContent = button.dataset.done;
      setTimeout(() => (text.textContent = before), 2_000);
    });
  }
}

function submitOnChange() {
  for (const form of all("form[data-auto-submit]")) {
    for (const button of all("[data-no-script]", form)) button.hidden = true;
    form.addEventListener("change", () => form.requestSubmit());
  }
}

function selectLocalZone() {
  const select = document.querySelector("select[data-zone]");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (select && [...select.options].some((option) => option.value === zone)) select.value = zone;
}

function closeMenusOnOutsideClick() {
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of all("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

// A device may be slow: show that the form was sent, and prevent sending it twice.
function showBusyForms() {
  for (const form of all("form[data-busy]")) {
    const button = form.querySelector("button:not([type])");
    const text = button.innerHTML;
    form.addEventListener("submit", () => {
      button.textContent = form.dataset.busy;
      // Only after the form was read: the value of a disabled button is not sent.
      setTimeout(() => (button.disabled = true));
    });
    // The browser may restore the page from its cache.
    addEventListener("pageshow", () => {
      button.disabled = false;
      button.innerHTML = text;
    });
  }
}

// Show the hub's text for invalid fields. Forms may be replaced, so listen on the document.
function showExpectedValues() {
  const refuse = ({ target }) => {
    const { expected } = target.dataset;
    if (expected && !target.validity.customError) target.setCustomValidity(expected);
  };
  document.addEventListener("invalid", refuse, true);
  const clearError = ({ target }) => {
    if (target.dataset.expected) target.setCustomValidity("");
  };
  document.addEventListener("input", clearError);
  // Some browsers fire only `change` for a select. Capture it before the field is validated.
  document.addEventListener("change", clearError, true);
}

// What is typed in an answer chooses this answer.
function chooseByTyping() {
  document.addEventListener("input", ({ target }) => {
    const choice = target.closest("label.option")?.querySelector("input[type=radio]");
    if (choice) choice.checked = true;
  });
}

// Do not send a file that the hub would refuse.
function rejectLargeFiles() {
  document.addEventListener("change", ({ target }) => {
    if (!target.matches("input[type=file][data-most]")) return;
    const isLarge = [...target.files].some((file) => file.size > Number(target.dataset.most));
    target.setCustomValidity(isLarge ? target.dataset.tooLarge : "");
    target.reportValidity();
  });
}

function addSelectAllButtons() {
  for (const button of all("[data-select-all]")) {
    // Rows may be replaced, so look for them when they are needed.
    const boxes = () => all(`input[name="${button.dataset.selectAll}"]:enabled`);
    button.hidden = boxes().length < 2;
    button.addEventListener("click", () => {
      const wanted = boxes().some((box) => !box.checked);
      for (const box of boxes()) box.checked = wanted;
    });
  }
}

// The selected item of a scrolling row may be out of view.
function scrollToSelected() {
  for (const chosen of all(".segments [aria-current]")) {
    // Only the row: scrollIntoView would scroll the page as well.
    const row = chosen.closest(".segments");
    const [outer, inner] = [row.getBoundingClientRect(), chosen.getBoundingClientRect()];
    row.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  }
}

// A finger that rests on a card shows its buttons, which a mouse does by pointing at it.
function showButtonsOnLongPress() {
  document.addEventListener("contextmenu", (event) => {
    const link = event.pointerType === "touch" && event.target.closest(".card")?.querySelector("a");
    if (!link) return;
    event.preventDefault();
    link.focus();
  });
}

scrollToSelected();
showButtonsOnLongPress();
addCopyButtons();
submitOnChange();
showBusyForms();
showExpectedValues();
chooseByTyping();
rejectLargeFiles();
selectLocalZone();
closeMenusOnOutsideClick();
addSelectAllButtons();
// The form may appear later, with a pending device.
onElement('form[data-check], [data-part*="/cameras/waiting"]', async () => {
  const { checkCodes } = await import("./codecheck.js");
  checkCodes();
});
onElement('[data-key-file], [data-part*="/cameras/waiting"]', async () => {
  const { readKeyFiles } = await import("./keyfile.js");
  readKeyFiles();
});
if ("BarcodeDetector" in window) {
  onElement("#qr-texts", async () => {
    const { readQrCodes } = await import("./qr.js");
    readQrCodes();
  });
}
onElement("form[data-upload]", async () => {
  const { showUploads } = await import("./upload.js");
  showUploads();
});
onElement("[data-crop]", async () => {
  const { cropPhotos } = await import("./crop.js");
  cropPhotos();
});
onElement("form[data-masks]", async (form) => {
  const { drawMasks } = await import("./masks.js");
  drawMasks(form);
});
onElement("form[data-find]", async (form) => {
  const { findWhileTyping } = await import("./find.js");
  findWhileTyping(form);
});
onElement("[data-chart]", async (chart) => {
  const { zoomIntoBars } = await import("./chart.js");
  zoomIntoBars(chart);
});
onElement("[data-print]", (button) => {
  button.hidden = false;
  button.addEventListener("click", () => print());
});
onElement("form[data-pan-tilt]", async (pad) => {
  const { turnByHolding } = await import("./pantilt.js");
  turnByHolding(pad);
});
onElement("[data-waiting]", async (line) => {
  const { tellOfWaiting } = await import("./waiting.js");
  tellOfWaiting(line);
});
onElement("form[data-search]", async (form) => {
  const { keepAnswersApart } = await import("./search.js");
  keepAnswersApart(form);
});
const opensRecords = onElement("#record-dialog", async (dialog) => {
  const { openRecordsInPlace } = await import("./record.js");
  return openRecordsInPlace(dialog);
});
onElement(".sheet > .record", async (record) => {
  reloadOnReturn();
  const { offerActions } = await import("./record-actions.js");
  offerActions(record);
});
onElement("#capture-dialog", async (dialog) => {
  const { showCaptures } = await import("./capture.js");
  showCaptures(dialog);
});
onElement("#keys-dialog", listenForKeys);
onElement("[data-trace]", async (list) => {
  const { Trace } = await import("./trace.js");
  new Trace(list).follow();
});
onElement("[data-notifications]", offerNotifications);
removeMissingPictures();
if ("signedIn" in document.body.dataset) {
  registerWorker();
  // From now on this module shows whether the page is up to date.
  document.querySelector("#not-updated").remove();
  followHub().catch(reloadOnceReachable);
}
