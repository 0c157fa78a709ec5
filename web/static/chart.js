// Zooming into the chart of a search: by dragging over bars, by keys, and by the wheel.
// A click on a bar is a link, and works without this.

const PERIOD = ["when", "day", "around", "since", "until", "before", "after", "done"];

export function zoomIntoBars(chart) {
  const svg = chart.querySelector("svg");
  const bars = [...svg.querySelectorAll("a")];
  const wider = chart.querySelector("[data-wider]");
  let start = -1;
  let end = -1;
  let isLeaving = false;

  chart.querySelector("[data-chart-hint]").hidden = false;
  // One bar can be reached with the tab key; the arrows lead to the others.
  reach(0);

  function reach(at) {
    for (const bar of bars) bar.tabIndex = -1;
    bars[at].tabIndex = 0;
  }

  function zoom(from, to) {
    if (isLeaving) return;
    isLeaving = true;
    const url = new URL(location.href);
    for (const name of PERIOD) url.searchParams.delete(name);
    url.searchParams.set("since", bars[from].dataset.since);
    url.searchParams.set("until", bars[to].dataset.until);
    location.href = url;
  }

  function zoomOut() {
    if (!wider || isLeaving) return;
    isLeaving = true;
    location.href = wider.href;
  }

  // The bar at a place on the screen; beyond the ends, the first or last one.
  function barAt(x) {
    const room = svg.getBoundingClientRect();
    const at = Math.floor(((x - room.left) / room.width) * bars.length);
    return Math.min(Math.max(at, 0), bars.length - 1);
  }

  function mark() {
    const [low, high] = [Math.min(start, end), Math.max(start, end)];
    for (const [at, bar] of bars.entries()) {
      bar.classList.toggle("chosen", start >= 0 && at >= low && at <= high);
    }
  }

  svg.addEventListener("pointerdown", (event) => {
    // With a modifier key, a bar is a link as others are: it opens a new tab.
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.pointerType === "touch") return;
    start = end = barAt(event.clientX);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (start < 0) return;
    end = barAt(event.clientX);
    mark();
  });
  svg.addEventListener("pointerup", () => {
    if (start < 0) return;
    const [low, high] = [Math.min(start, end), Math.max(start, end)];
    start = -1;
    mark();
    zoom(low, high);
  });
  svg.addEventListener("pointercancel", () => {
    start = -1;
    mark();
  });
  // Links would be dragged instead of the selection.
  svg.addEventListener("dragstart", (event) => event.preventDefault());

  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = bars.indexOf(document.activeElement);
    const last = bars.length - 1;
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (event.key === "-") zoomOut();
    else if (next === undefined || next < 0 || next > last) return;
    else {
      reach(next);
      bars[next].focus();
    }
    event.preventDefault();
  });

  // Only with Ctrl, or once somebody has gone into the chart: else the wheel scrolls the page.
  svg.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !svg.contains(document.activeElement)) return;
      event.preventDefault();
      if (event.deltaY > 0) zoomOut();
      else if (event.deltaY < 0) {
        const half = Math.max(Math.floor(bars.length / 4), 0);
        const at = barAt(event.clientX);
        zoom(Math.max(at - half, 0), Math.min(at + half, bars.length - 1));
      }
    },
    { passive: false },
  );

  // The browser may restore the page from its cache.
  addEventListener("pageshow", () => (isLeaving = false));
}
