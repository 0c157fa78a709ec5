// What makes the pages live. Without it they work, and are as old as their last loading.

import { isInUse, refresh } from "./parts.js";
import { Stream } from "./stream.js";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// What few pages have is loaded where it is there.
async function ifThere(selector, use) {
  const element = document.querySelector(selector);
  return element && use(element);
}

async function followTheHub() {
  const wall = await ifThere("#wall[data-live]", async (element) => {
    const { Wall } = await import("./wall.js");
    return new Wall(element);
  });
  const sign = document.querySelector("[data-live-sign]");
  const { seq, changes } = document.body.dataset;
  const stream = new Stream(Number(seq), Number(changes));

  stream.addEventListener("card", ({ detail }) => {
    wall?.add(detail);
    if (detail.picture) showLastPicture(detail);
  });
  stream.addEventListener("jump", () => wall?.reload());
  stream.addEventListener("change", ({ detail }) => {
    for (const part of all(`[data-on~="${CSS.escape(detail.kind)}"]`)) {
      if (!part.dataset.of || part.dataset.of === detail.key) refresh(part);
    }
    loadAnewIfEmpty(`[data-load-anew-on~="${CSS.escape(detail.kind)}"]`);
  });
  // Something changed between the making of this page and the beginning of its stream.
  stream.addEventListener("stale", () => {
    all("[data-part]").forEach(refresh);
    loadAnewIfEmpty("[data-load-anew-on]");
  });

  let wasLost = false;
  stream.addEventListener("state", ({ detail: state }) => {
    const banner = document.querySelector("#connection");
    banner.hidden = state === "live";
    for (const line of all("[data-when]", banner)) line.hidden = line.dataset.when !== state;
    if (sign) sign.hidden = state !== "live";
    // What changed while nobody was told is looked at again.
    if (state === "live" && wasLost) all("[data-part]").forEach(refresh);
    wasLost = state !== "live";
  });
  stream.start();
}

// To load a page anew would call back whoever is on the way to another one.
let isLeft = false;
addEventListener("beforeunload", () => {
  isLeft = true;
});
addEventListener("pageshow", () => {
  isLeft = false;
});

// An empty page is another one once there is something.
function loadAnewIfEmpty(selector) {
  if (isLeft || isInUse(document.body)) return;
  if (document.querySelector(selector)) location.reload();
}

function showLastPicture({ did, picture }) {
  const images = all(`[data-last-of="${CSS.escape(did)}"]`);
  for (const image of images) image.src = picture;
  if (images.length) return;
  // The camera's first: there is no place for it yet.
  for (const part of all("[data-shows-pictures]")) {
    if (!part.dataset.of || part.dataset.of === did) refresh(part);
  }
}

function copyAtAClick() {
  for (const button of all("[data-copy]")) {
    // Browsers give the clipboard to safe origins only.
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

function sendAtOnce() {
  for (const form of all("form[data-send-at-once]")) {
    for (const button of all("[data-without-script]", form)) button.hidden = true;
    form.addEventListener("change", () => form.requestSubmit());
  }
}

function guessTheZone() {
  const select = document.querySelector("select[data-zone]");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (select && [...select.options].some((option) => option.value === zone)) select.value = zone;
}

function closeMenusOutside() {
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

// A picture that is not there any more leaves its place as it is where there is none.
function leaveOutMissingPictures() {
  const leaveOut = (image) => image.matches?.(".card-picture img") && image.remove();
  document.addEventListener("error", ({ target }) => leaveOut(target), true);
  // Those that failed before this was listening.
  for (const image of all(".card-picture img")) {
    if (image.complete && image.currentSrc && !image.naturalWidth) leaveOut(image);
  }
}

// A device may take its time: who sends it something sees that it was sent, and sends it once.
function showThatItIsSent() {
  for (const form of all("form[data-busy]")) {
    const button = form.querySelector("button:not([type])");
    const text = button.innerHTML;
    form.addEventListener("submit", () => {
      button.textContent = form.dataset.busy;
      // After the form has been read: a disabled button would not be sent.
      setTimeout(() => (button.disabled = true));
    });
    // The page may come back as it was left.
    addEventListener("pageshow", () => {
      button.disabled = false;
      button.innerHTML = text;
    });
  }
}

// The browser refuses in the hub's words. A form may come anew: one listener for all.
function refuseInOurWords() {
  const refuse = ({ target }) => {
    const { expected } = target.dataset;
    if (expected && !target.validity.customError) target.setCustomValidity(expected);
  };
  document.addEventListener("invalid", refuse, true);
  const takeBack = ({ target }) => {
    if (target.dataset.expected) target.setCustomValidity("");
  };
  document.addEventListener("input", takeBack);
  // Of a choice some browsers tell so alone. Before the field itself hears of it and judges anew.
  document.addEventListener("change", takeBack, true);
}

// A file that the hub would not take is not sent at all.
function refuseLargeFiles() {
  document.addEventListener("change", ({ target }) => {
    if (!target.matches("input[type=file][data-most]")) return;
    const isLarge = [...target.files].some((file) => file.size > Number(target.dataset.most));
    target.setCustomValidity(isLarge ? target.dataset.tooLarge : "");
    target.reportValidity();
  });
}

function chooseAllAtOnce() {
  for (const button of all("[data-choose-all]")) {
    const boxes = all(`input[name="${button.dataset.chooseAll}"]:enabled`);
    button.hidden = boxes.length < 2;
    button.addEventListener("click", () => {
      const wanted = boxes.some((box) => !box.checked);
      for (const box of boxes) box.checked = wanted;
    });
  }
}

// What is chosen in a row that scrolls may lie beyond its edge.
function showWhatIsChosen() {
  const rows = ".segments, .strip-list, .tabs";
  for (const chosen of all(`:is(${rows}) [aria-current]`)) {
    chosen.scrollIntoView({ block: "nearest", inline: "center" });
  }
}

showWhatIsChosen();
copyAtAClick();
sendAtOnce();
showThatItIsSent();
refuseInOurWords();
refuseLargeFiles();
guessTheZone();
closeMenusOutside();
chooseAllAtOnce();
// A form may come later, with who knocks.
ifThere('form[data-check], [data-part^="/cameras/waiting"]', async () => {
  const { checkCodes } = await import("./codecheck.js");
  checkCodes();
});
ifThere("form[data-upload]", async () => {
  const { showUploads } = await import("./upload.js");
  showUploads();
});
ifThere("#record-dialog", async (dialog) => {
  const { openRecordsInPlace } = await import("./record.js");
  openRecordsInPlace(dialog);
});
ifThere("[data-trace]", async (list) => {
  const { Trace } = await import("./trace.js");
  new Trace(list).follow();
});
leaveOutMissingPictures();
if ("signedIn" in document.body.dataset) followTheHub();
