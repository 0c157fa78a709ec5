// Say that a page is on its way that the hub can only send when a camera has answered.

/** Milliseconds: most cameras answer at once, and then the page must not jump. */
const PATIENCE = 400;

export function tellOfWaiting(line) {
  let timer;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-waits]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    // It opens elsewhere.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    clearTimeout(timer);
    timer = setTimeout(() => (line.hidden = false), PATIENCE);
  });
  // The page was left, or comes back from the browser's cache.
  const hide = () => {
    clearTimeout(timer);
    line.hidden = true;
  };
  addEventListener("pagehide", hide);
  addEventListener("pageshow", hide);
}
