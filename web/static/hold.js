// Whether the wall stands still: somebody is looking at it, working on it, or has paused it.

// A mouse left over the wall, or a pause that was forgotten, must not stop it for the whole shift.
const MAX_LOOK_MS = 30_000;
const MAX_PAUSE_MS = 600_000;
const SCROLLED = 160;
const KEEP_SPACE = "input, textarea, select, button, summary, dialog, audio, video";

export class Hold extends EventTarget {
  // Event: "change", when the wall may have begun to stand still or to move.
  #wall;
  #isHovered = false;
  #usedAt = 0;
  #touchedAt = 0;
  #pausedAt = 0;
  // Asking for it at any other time may cost a layout of the whole page.
  #isScrolled = scrollY > SCROLLED;

  // The frame is the element around the wall that also contains the button for new cards, so that
  // moving there keeps the wall still.
  constructor(wall, sign) {
    super();
    this.#wall = wall;
    this.#followPointer(wall.parentElement);
    const used = () => (this.#usedAt = Date.now());
    for (const name of ["keydown", "focusin"]) document.addEventListener(name, used);
    wall.addEventListener("focusout", () => setTimeout(() => this.#change()));
    const scrolled = () => {
      this.#isScrolled = scrollY > SCROLLED;
      this.#change();
    };
    addEventListener("scroll", scrolled, { passive: true });
    setInterval(() => this.#change(), 1_000);
    sign.addEventListener("click", () => this.toggle());
    document.addEventListener("keydown", (event) => this.#pauseBySpace(event));
  }

  get isPaused() {
    return Date.now() - this.#pausedAt < MAX_PAUSE_MS;
  }

  get isHeld() {
    if (this.isPaused || document.querySelector("#record-dialog[open]")) return true;
    if (this.#isScrolled) return true;
    const now = Date.now();
    if (now - this.#touchedAt < MAX_LOOK_MS) return true;
    const isLooking = this.#isHovered || this.#wall.matches(":focus-within");
    return isLooking && now - this.#usedAt < MAX_LOOK_MS;
  }

  toggle() {
    if (this.isPaused) this.release();
    else this.#pausedAt = Date.now();
    this.#change();
  }

  // Let the wall move, although somebody may still be there.
  release() {
    this.#pausedAt = this.#usedAt = this.#touchedAt = 0;
  }

  #followPointer(frame) {
    frame.addEventListener("pointerenter", (event) => {
      this.#isHovered = event.pointerType === "mouse";
      this.#usedAt = Date.now();
    });
    frame.addEventListener("pointermove", () => (this.#usedAt = Date.now()));
    frame.addEventListener("pointerleave", () => {
      this.#isHovered = false;
      this.#change();
    });
    frame.addEventListener("pointerdown", ({ pointerType, target }) => {
      if (pointerType === "mouse" || target.closest("[data-pill]")) return;
      this.#touchedAt = Date.now();
      this.#change();
    });
  }

  #pauseBySpace(event) {
    if (event.key !== " " || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(KEEP_SPACE)) return;
    event.preventDefault();
    this.toggle();
  }

  #change() {
    this.dispatchEvent(new Event("change"));
  }
}
