// Turn a camera as long as a button, or an arrow key on one, is held. The hub stops it too, in case
// the browser cannot.

/** CSS pixels by which a finger may leave its button: a thumb rolls. */
const SLACK = 12;
const DIRECTIONS = { ArrowUp: "up", ArrowLeft: "left", ArrowRight: "right", ArrowDown: "down" };

export function turnByHolding(pad) {
  new Pad(pad).follow();
}

class Pad {
  #pad;
  #held = null;

  constructor(pad) {
    this.#pad = pad;
  }

  follow() {
    for (const text of document.querySelectorAll("[data-no-script]")) text.hidden = true;
    for (const text of document.querySelectorAll("[data-script]")) text.hidden = false;
    this.#followPointer();
    this.#followKeys();
    const release = () => this.#release();
    addEventListener("blur", release);
    addEventListener("pagehide", release);
    document.addEventListener("visibilitychange", release);
  }

  #followPointer() {
    const pad = this.#pad;
    pad.addEventListener("pointerdown", (event) => {
      const button = event.target.closest("button");
      if (!button || button.value === "stop" || event.button !== 0) return;
      // Not every browser gives a button the focus; the arrow keys need it.
      button.focus();
      button.setPointerCapture(event.pointerId);
      this.#hold(button, event.pointerId);
    });
    // The button keeps the pointer, so that it says nothing of leaving it.
    pad.addEventListener("pointermove", (event) => {
      if (event.pointerId === this.#held?.pointer && isBeside(this.#held.button, event)) {
        this.#release();
      }
    });
    // A second finger, wherever it is; on another button, it turns the camera there then.
    const isOther = (event) => this.#held && event.pointerId !== this.#held.pointer;
    document.addEventListener("pointerdown", (event) => isOther(event) && this.#release(), true);
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      pad.addEventListener(name, () => this.#release());
    }
    pad.addEventListener("contextmenu", (event) => event.preventDefault());
    pad.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#release();
      const { submitter } = event;
      if (submitter?.value === "stop") this.#send(pad.action, { direction: "stop" });
      else if (submitter && !this.#isPointer) this.#send(pad.action, this.#step(submitter.value));
    });
    // A click without a pointer is the Enter key or a screen reader: a step.
    pad.addEventListener("click", (event) => (this.#isPointer = event.detail > 0), true);
  }

  #isPointer = false;

  #followKeys() {
    this.#pad.addEventListener("keydown", (event) => {
      const direction = DIRECTIONS[event.key];
      if (!direction || event.ctrlKey || event.metaKey || event.altKey) return;
      if (!event.target.closest(".pad-buttons")) return;
      event.preventDefault();
      if (!event.repeat) this.#hold(this.#pad.querySelector(`[value="${direction}"]`));
    });
    document.addEventListener("keyup", (event) => {
      if (DIRECTIONS[event.key] === this.#held?.button.value) this.#release();
    });
    this.#pad.addEventListener("focusout", () => this.#release());
  }

  #step(direction) {
    return { direction, speed: this.#pad.elements.speed.value };
  }

  #hold(button, pointer = null) {
    this.#release();
    const press = Date.now().toString(36) + Math.random().toString(36).slice(2);
    const timer = setTimeout(() => this.#release(), Number(this.#pad.dataset.most));
    this.#held = { button, press, timer, pointer };
    // Not when a later answer is good: that of the beginning may come after that of the end.
    this.#tell("");
    button.classList.add("pad-held");
    this.#send(this.#pad.action, { ...this.#step(button.value), press });
  }

  #release() {
    if (!this.#held) return;
    const { button, press, timer } = this.#held;
    this.#held = null;
    clearTimeout(timer);
    button.classList.remove("pad-held");
    // The end may overtake the beginning; the hub knows both by the press.
    this.#send(this.#pad.dataset.release, { press });
  }

  async #send(url, fields) {
    const body = new URLSearchParams({ csrf_token: this.#pad.elements.csrf_token.value, ...fields });
    // It is sent even if the page is being left.
    const options = { method: "POST", body, headers: { "X-Part": "1" }, keepalive: true };
    try {
      const response = await fetch(url, options);
      if (response.redirected) location.reload();
      else if (!response.ok) this.#tell(await response.text());
    } catch {
      this.#tell(this.#pad.dataset.lost);
    }
  }

  #tell(fault) {
    const line = this.#pad.querySelector("[data-fault]");
    line.hidden = !fault;
    line.querySelector("span").textContent = fault;
  }
}

function isBeside(button, { clientX, clientY }) {
  const { left, right, top, bottom } = button.getBoundingClientRect();
  const isInX = clientX >= left - SLACK && clientX <= right + SLACK;
  return !isInX || clientY < top - SLACK || clientY > bottom + SLACK;
}
