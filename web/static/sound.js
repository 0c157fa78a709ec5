// The sound of alarms: armed by a person, and heard from one tab of the browser.

import { ownName } from "./address.js";
import { render } from "./tones.js";

const STORED = ownName("sitehub-sound");
const LOCK = ownName("sitehub-sound");
const WATCH_MS = 3_000;
const FADE_S = 0.03;

export class Sound extends EventTarget {
  // `state` is "off", "on", or "blocked": armed, but the browser plays nothing until it is clicked.
  // Event: "state", whenever it has changed.
  state = "off";
  #context = null;
  // The time of the context, and when that was looked at.
  #heard = { until: -1, at: 0 };
  // Another tab is armed and can be heard.
  #isElsewhere = false;
  #leads = false;
  #leave = null;
  #tone = { name: "", isLoud: false };
  #loop = null;

  constructor() {
    super();
    addEventListener("storage", ({ key }) => key === STORED && this.#adopt());
    // Browsers allow sound after a click or a key on the page, whatever it is for.
    for (const name of ["pointerup", "keydown"]) addEventListener(name, () => this.#resume(), true);
    setInterval(() => {
      this.#reopenIfStuck();
      this.#watch();
    }, WATCH_MS);
    this.#adopt();
  }

  get #isArmed() {
    return localStorage.getItem(STORED) === "on";
  }

  // Call it from a click.
  turnOn() {
    localStorage.setItem(STORED, "on");
    this.#adopt();
    this.test();
  }

  turnOff() {
    localStorage.removeItem(STORED);
    this.#adopt();
  }

  async test() {
    const context = this.#context;
    await context?.resume();
    if (context) start(context, await render("major"), false);
  }

  // Repeat this tone until another one is asked for; "" for none.
  async play(name, isLoud = false) {
    if (this.#tone.name === name && this.#tone.isLoud === isLoud) return;
    this.#tone = { name, isLoud };
    await this.#settle();
  }

  #adopt() {
    if (this.#isArmed && !this.#context) this.#open();
    if (!this.#isArmed) this.#close();
    this.#watch();
  }

  #open() {
    this.#context = new AudioContext();
    this.#heard = { until: -1, at: 0 };
    this.#context.addEventListener("statechange", () => this.#watch());
    this.#resume();
  }

  #close() {
    this.#context?.close();
    this.#context = null;
    this.#loop = null;
  }

  #resume() {
    // It stays pending while the browser does not allow it.
    if (this.#context?.state !== "running") this.#context?.resume().catch(() => {});
  }

  get #isRunning() {
    return this.#context?.state === "running";
  }

  async #watch() {
    if (this.#isRunning) this.#lead();
    else this.#leave?.();
    if (this.#isArmed && !this.#isRunning) {
      const { held } = await navigator.locks.query();
      this.#isElsewhere = !this.#leads && held.some(({ name }) => name === LOCK);
    }
    this.#show();
    await this.#settle();
  }

  // The time of a context stands still when its device is gone.
  #reopenIfStuck() {
    if (!this.#isRunning) return;
    const [now, { currentTime }] = [performance.now(), this.#context];
    // Late timers may follow each other at once.
    if (now - this.#heard.at < WATCH_MS / 2) return;
    const isStuck = currentTime === this.#heard.until;
    this.#heard = { until: currentTime, at: now };
    if (!isStuck) return;
    this.#close();
    this.#open();
  }

  // Of all tabs, one plays: the others take over when it is closed.
  #lead() {
    if (this.#leave) return;
    const waiting = new AbortController();
    this.#leave = () => waiting.abort();
    navigator.locks
      .request(LOCK, { signal: waiting.signal }, () => {
        this.#leads = true;
        this.#settle();
        return new Promise((done) => (this.#leave = done));
      })
      .catch(() => {})
      .finally(() => {
        this.#leads = false;
        this.#leave = null;
        this.#settle();
      });
  }

  #show() {
    const canBeHeard = this.#isRunning || this.#isElsewhere;
    const state = this.#isArmed ? (canBeHeard ? "on" : "blocked") : "off";
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  // Let the loop that is playing be the one that is wanted.
  async #settle() {
    const { name, isLoud } = this.#tone;
    const wanted = this.#leads && this.#isRunning ? name : "";
    if (this.#loop?.name === wanted && this.#loop.isLoud === isLoud) return;
    this.#loop?.stop?.();
    this.#loop = { name: wanted, isLoud };
    if (!wanted) return;
    const [loop, context] = [this.#loop, this.#context];
    const samples = await render(name, isLoud);
    // It may have been replaced in the meantime.
    if (this.#loop === loop && this.#context === context) loop.stop = start(context, samples, true);
  }
}

// Play the samples. Returns a function that ends them without a click.
function start(context, samples, isLoop) {
  const source = new AudioBufferSourceNode(context, { buffer: samples, loop: isLoop });
  const volume = new GainNode(context);
  source.connect(volume).connect(context.destination);
  source.start();
  return () => {
    volume.gain.setTargetAtTime(0, context.currentTime, FADE_S / 3);
    source.stop(context.currentTime + FADE_S);
  };
}
