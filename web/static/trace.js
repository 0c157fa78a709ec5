// The live trace of a camera: new frames go on top, an answer below its request.

import { fetchPart } from "./parts.js";

const MAX_EXCHANGES = 200;
const MIN_ROUND_MS = 400;
const MAX_PAUSE_MS = 8_000;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export class Trace {
  #list;
  #after;
  #held = false;
  #release = () => {};

  constructor(list) {
    this.#list = list;
    this.#after = list.dataset.after;
    this.#showControls();
    // A hidden tab uses none of the browser's six connections.
    document.addEventListener("visibilitychange", () => this.#release());
  }

  async follow() {
    let pause = 500;
    while (true) {
      await this.#waitUntilVisible();
      const began = Date.now();
      try {
        const html = await fetchPart(`${this.#list.dataset.trace}?after=${this.#after}`);
        if (html === null) return this.#end();
        await this.#waitUntilVisible();
        this.#add(html);
        pause = 500;
      } catch {
        // The hub cannot be reached; the banner says so.
        await sleep(pause);
        pause = Math.min(pause * 2, MAX_PAUSE_MS);
      }
      await sleep(MIN_ROUND_MS - (Date.now() - began));
    }
  }

  #showControls() {
    const button = document.querySelector("[data-pause]");
    const sign = document.querySelector("[data-trace-sign]");
    document.querySelector("[data-reload]").hidden = true;
    button.hidden = sign.hidden = false;
    const texts = [button.textContent, button.dataset.resumeText];
    button.addEventListener("click", () => {
      this.#held = !this.#held;
      button.textContent = texts[Number(this.#held)];
      for (const text of sign.querySelectorAll("[data-when]")) {
        text.hidden = (text.dataset.when === "paused") !== this.#held;
      }
      this.#release();
    });
  }

  async #waitUntilVisible() {
    while (this.#held || document.hidden) await new Promise((done) => (this.#release = done));
  }

  #add(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    // The newest comes first, so insert from the end.
    for (const exchange of [...template.content.children].reverse()) this.#put(exchange);
    while (this.#list.children.length > MAX_EXCHANGES) this.#list.lastElementChild.remove();
    document.querySelector("[data-trace-empty]").hidden = this.#list.children.length > 0;
  }

  #put(exchange) {
    for (const { dataset } of exchange.querySelectorAll("[data-number]")) {
      if (Number(dataset.number) > Number(this.#after)) this.#after = dataset.number;
    }
    const first = exchange.querySelector("[data-number]");
    const asked =
      first.dataset.of && this.#list.querySelector(`[data-number="${CSS.escape(first.dataset.of)}"]`);
    if (!asked) return this.#list.prepend(exchange);
    first.classList.add("frame-answer");
    asked.after(first);
  }

  #end() {
    document.querySelector("[data-trace-ended]").hidden = false;
    for (const control of ["[data-pause]", "[data-trace-sign]"]) {
      document.querySelector(control).hidden = true;
    }
  }
}
