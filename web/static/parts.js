// Parts of a page that the hub renders anew when something has changed.

const waiting = new Map();

// Ask for a part, soon: several changes in a moment are one request.
export function refresh(part) {
  if (waiting.has(part)) return;
  waiting.set(
    part,
    setTimeout(() => {
      waiting.delete(part);
      load(part);
    }, 300 + Math.random() * 200),
  );
}

async function load(part) {
  try {
    const html = await fetchPart(part.dataset.part);
    if (html !== null) replaceChildren(part, html);
  } catch {
    // The hub is away, which the banner says; the part is asked for again once it is back.
  }
}

// The HTML of a part, or null where the hub sends something else, as to who was signed out.
export async function fetchPart(url) {
  const response = await fetch(url, { headers: { "X-Part": "1" } });
  return response.ok && !response.redirected ? response.text() : null;
}

// Elements of parts, as the hub sent them: a menu that somebody opened is no change.
const sent = new WeakMap();
remember(document.querySelectorAll("[data-part] > *, [data-part] [data-key]"));

function remember(elements) {
  for (const element of elements) sent.set(element, element.outerHTML);
}

// Put in the new children, but leave what has not changed, and where somebody is typing.
function replaceChildren(part, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  reconcile(part, template.content);
}

function reconcile(old, fresh) {
  const known = new Map([...old.children].map((child, at) => [keyOf(child, at), child]));
  const wanted = [...fresh.children].map((child, at) => keep(known.get(keyOf(child, at)), child));
  // What goes, goes first: an element that is moved loses the focus, and what stays need not move.
  const staying = new Set(wanted);
  for (const child of [...old.children]) if (!staying.has(child)) child.remove();
  for (const [at, child] of wanted.entries()) {
    if (old.children[at] !== child) old.insertBefore(child, old.children[at] ?? null);
  }
}

// The element that shall stand there: the one that does, or the new one.
function keep(present, child) {
  // First, for what was sent of the whole says nothing of parts that were put in since.
  if (present && [present, child].every((one) => one.querySelector(":scope > [data-key]"))) {
    reconcile(present, child);
    return present;
  }
  if (present && (sent.get(present) === child.outerHTML || isInUse(present))) return present;
  remember([child, ...child.querySelectorAll("[data-key]")]);
  return child;
}

function keyOf(element, at) {
  return element.dataset.key ?? `at-${at}`;
}

export function isInUse(element) {
  const inputs = [...element.querySelectorAll("input:not([type=hidden]), textarea")];
  return (
    inputs.includes(document.activeElement) ||
    inputs.some((input) => input.value !== input.defaultValue)
  );
}
