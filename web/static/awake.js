// Keeps a screen on, and offers to fill it.

const IDLE_MS = 4_000;
const RETRY_MS = 60_000;

// Keep the screen on while the page is visible. `note` is shown where the browser does not allow it:
// over plain HTTP, or while the computer saves power.
export function stayAwake(note) {
  let lock = null;
  const ask = async () => {
    if (document.visibilityState !== "visible" || (lock && !lock.released)) return;
    lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
    note.hidden = Boolean(lock);
  };
  document.addEventListener("visibilitychange", ask);
  setInterval(ask, RETRY_MS);
  ask();
}

// The pointer and the buttons disappear while nobody is there.
export function offerFullScreen(button) {
  const root = document.documentElement;
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () => root.requestFullscreen().catch(() => {}));
  document.addEventListener("fullscreenchange", () => {
    button.hidden = Boolean(document.fullscreenElement);
  });
  let timer = 0;
  const wake = () => {
    document.body.classList.remove("is-idle");
    clearTimeout(timer);
    timer = setTimeout(() => document.body.classList.add("is-idle"), IDLE_MS);
  };
  for (const name of ["pointermove", "pointerdown", "keydown"]) document.addEventListener(name, wake);
  wake();
}
