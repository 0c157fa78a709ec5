// Parts of a page that are fetched again when something has changed.

// A hub that hangs accepts connections, and would keep each request for ever.
const TIMEOUT_MS = 20_000;

const waiting = new Map();

// Fetch a part after a short delay, so that several changes cause one request. A part whose source
// changes all the time has a longer delay (data-pace, in ms).
export function refresh(part) {
  if (waiting.has(part)) return;
  waiting.set(
    part,
    setTimeout(() => {
      waiting.delete(part);
      load(part);
    }, Number(part.dataset.pace ?? 300) + Math.random() * 200),
  );
}

// Fetch a part now.
export async function load(part) {
  try {
    const url = part.dataset.part;
    const html = await fetchPart(url);
    // Another one may be wanted by now.
    if (html !== null && url === part.dataset.part) replaceChildren(part, html);
  } catch (error) {
    // The hub cannot be reached: the part is fetched again once it is back. One that is only slow
    // does not come back.
    if (error.name === "TimeoutError") refresh(part);
  }
}

// The HTML of a part, or null if the response is something else, such as the sign-in page.
export async function fetchPart(url) {
  const options = { headers: { "X-Part": "1" }, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const response = await fetch(url, options);
  return response.ok && !response.redirected ? response.text() : null;
}

// The HTML of elements as the hub sent it, so that an opened menu does not count as a change.
const sent = new WeakMap();
remember(document.querySelectorAll("[data-part] > *, [data-part] [data-key]"));

function remember(elements) {
  for (const element of elements) sent.set(element, element.outerHTML);
}

// Replace the children, except those that are unchanged or in use.
export function replaceChildren(part, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  reconcile(part, template.content);
}

function reconcile(old, fresh) {
  const known = new Map([...old.children].map((child, at) => [keyOf(child, at), child]));
  const wanted = [...fresh.children].map((child, at) => keep(known.get(keyOf(child, at)), child));
  // Remove first: moving an element loses its focus, and this way fewer elements move.
  const staying = new Set(wanted);
  for (const child of [...old.children]) if (!staying.has(child)) child.remove();
  for (const [at, child] of wanted.entries()) {
    if (old.children[at] !== child) old.insertBefore(child, old.children[at] ?? null);
  }
}

// The element to show: the present one if it can stay, else the new one.
function keep(present, child) {
  // Check this first: children may have been replaced since the element was sent.
  if (present && [present, child].every((one) => one.querySelector(":scope > [data-key]"))) {
    reconcile(present, child);
    return present;
  }
  if (present && (sent.get(present) === child.outerHTML || isInUse(present))) return present;
  remember([child, ...child.querySelectorAll("[data-key]")]);
  if (present) leaveOpen(present, child);
  return child;
}

// What a person opened stays open, and what was ticked stays ticked, although its text changes.
function leaveOpen(present, child) {
  const before = present.querySelectorAll("details");
  for (const [at, details] of child.querySelectorAll("details").entries()) {
    if (before[at]?.open) details.open = true;
  }
  const boxes = present.querySelectorAll("[type=checkbox]:checked:not([checked])");
  for (const { name, value } of boxes) {
    const box = child.querySelector(`[name="${CSS.escape(name)}"][value="${CSS.escape(value)}"]`);
    if (box) box.checked = true;
  }
}

function keyOf(element, at) {
  return element.dataset.key ?? `at-${at}`;
}

const INPUTS = "input:not([type=hidden]), textarea";

export function isInUse(element) {
  const inputs = [...element.querySelectorAll(INPUTS)];
  return inputs.includes(document.activeElement) || isFilled(element);
}

// Whether something was typed since the page came.
export function isFilled(element) {
  const inputs = [...element.querySelectorAll(INPUTS)];
  return inputs.some((input) => input.value !== input.defaultValue);
}
