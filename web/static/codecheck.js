// Checks a security code while it is typed, against the camera's last signature.

const PAUSE_MS = 400;
const AGAIN_MS = 1_000;
const FIELDS = ["sn", "code", "key"];

const waiting = new WeakMap();

export function checkCodes() {
  // Forms are replaced with the parts of a page, so listen on the document.
  document.addEventListener("input", ({ target }) => {
    const form = target.closest("form[data-check]");
    if (form && FIELDS.includes(target.name)) checkSoon(form, PAUSE_MS);
  });
}

function checkSoon(form, ms) {
  clearTimeout(waiting.get(form));
  waiting.set(form, setTimeout(() => check(form), ms));
}

async function check(form) {
  const line = form.querySelector("[data-check-result]");
  const sent = asSent(form);
  if (!sent.get("code")) {
    line.hidden = true;
    return;
  }
  try {
    const response = await fetch(form.dataset.check, { method: "POST", body: sent });
    // The input has changed since; its own response follows.
    if (String(asSent(form)) !== String(sent)) return;
    if (response.status === 429) return checkSoon(form, AGAIN_MS);
    if (!response.ok || response.redirected) return;
    const { fits, text, more } = await response.json();
    const first = document.createElement("span");
    first.textContent = text;
    first.className = fits ? "code-fits" : "";
    line.replaceChildren(first, ` ${more}`);
    line.hidden = false;
    // What was wrong when the form was sent is not so any more.
    if (fits) form.querySelector(".problem")?.remove();
  } catch {
    // The hub cannot be reached; the banner says so.
  }
}

function asSent(form) {
  const fields = new FormData(form);
  const names = ["csrf_token", ...FIELDS];
  return new URLSearchParams(names.map((name) => [name, (fields.get(name) ?? "").trim()]));
}
