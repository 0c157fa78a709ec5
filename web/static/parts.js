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

// Put in the new children, but leave what has not changed, and where somebody is typing.
function replaceChildren(part, html) {
  const fresh = document.createElement(part.localName);
  if (part.localName === "tbody") {
    const template = document.createElement("template");
    template.innerHTML = html;
    fresh.append(template.content);
  } else {
    fresh.innerHTML = html;
  }
  reconcile(part, fresh);
}

function reconcile(old, fresh) {
  const known = new Map([...old.children].map((child, at) => [keyOf(child, at), child]));
  const wanted = [...fresh.children].map((child, at) => {
    const present = known.get(keyOf(child, at));
    known.delete(keyOf(child, at));
    if (!present || present.localName !== child.localName) return child;
    if (isSame(present, child) || isInUse(present)) return present;
    if (present.querySelector(":scope > [data-key]")) {
      reconcile(present, child);
      return present;
    }
    return child;
  });
  for (const [at, child] of wanted.entries()) {
    if (old.children[at] !== child) old.insertBefore(child, old.children[at] ?? null);
  }
  while (old.children.length > wanted.length) old.lastElementChild.remove();
}

function keyOf(element, at) {
  return element.dataset.key ?? `at-${at}`;
}

// A form's token changes with every rendering, and says nothing.
function isSame(present, child) {
  return present.isEqualNode(child);
}

function isInUse(element) {
  const inputs = element.querySelectorAll("input:not([type=hidden]), textarea");
  return (
    (element.contains(document.activeElement) && inputs.length > 0) ||
    [...inputs].some((input) => input.value !== input.defaultValue)
  );
}
