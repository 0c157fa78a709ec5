// One event stream for all tabs, because a browser opens only six connections to a host.
//
// The tab that holds the lock reads the stream and forwards it to the others; when it closes, the
// next one takes over. Each tab keeps its own position and detects gaps by itself.

import { addressOf, ownName } from "./address.js";

const CHANNEL = ownName("sitehub");
const LOCK = ownName("sitehub-stream");
// The hub sends a beat every 15 s.
const SILENT_MS = 36_000;
const MAX_PAUSE_MS = 4_000;

export class Stream extends EventTarget {
  // Events: "card", "alarm", "change", "beat" and "jump" with the data of the hub as `detail`; "stale"
  // when this tab has missed a change; "erased" when records were erased while nothing told it; "state" with "live", "lost" or "signed-out".
  #channel = new BroadcastChannel(CHANNEL);
  #position;
  #changes;
  // Names the last erasure; undefined before the hub was reached.
  #erasure;
  #state = "";
  #leads = false;
  #lastMessageAt = Date.now();
  #reading = null;

  // `position` is the last record on the page; `changes` is the change counter it was rendered at.
  constructor(position, changes) {
    super();
    this.#position = position;
    this.#changes = changes;
    this.#channel.onmessage = (message) => this.#handle(message.data);
    setInterval(() => this.#watch(), 5_000);
    addEventListener("online", () => this.#reading?.abort());
    addEventListener("pagehide", () => this.#reading?.abort());
  }

  start() {
    this.#lead({});
    this.#channel.postMessage({ name: "hello" });
  }

  #lead(options) {
    navigator.locks
      .request(LOCK, options, () => {
        this.#leads = true;
        return this.#readForEver();
      })
      // Another tab took the lock while this one was suspended: follow that tab now.
      .catch(() => {
        this.#leads = false;
        this.#reading?.abort();
        this.#lead({});
      });
  }

  async #readForEver() {
    let pause = 500;
    while (this.#leads) {
      const began = Date.now();
      let ended = false;
      try {
        ended = await this.#read();
      } catch {
        // The hub or the network is down, or the stream timed out: retry below.
      }
      if (!this.#leads) return;
      // The hub ended the stream, perhaps because of a sign-out: the next request shows it.
      if (ended && Date.now() - began > 1_000) continue;
      if (this.#state !== "signed-out") this.#broadcast({ name: "state", data: "lost" });
      if (Date.now() - began > MAX_PAUSE_MS) pause = 500;
      await new Promise((done) => setTimeout(done, pause * (0.75 + Math.random() / 2)));
      pause = Math.min(pause * 2, MAX_PAUSE_MS);
    }
  }

  // Resolves to true if the hub ended the stream.
  async #read() {
    this.#reading = new AbortController();
    const silence = setTimeout(() => this.#reading.abort(), SILENT_MS);
    const response = await fetch(addressOf(`/stream?after=${this.#position}`), {
      signal: this.#reading.signal,
      headers: { Accept: "text/event-stream" },
    });
    clearTimeout(silence);
    if (response.redirected) {
      this.#broadcast({ name: "state", data: "signed-out" });
      return false;
    }
    if (!response.ok) return false;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    this.#lastMessageAt = Date.now();
    while (true) {
      const { done, value } = await reader.read();
      if (done) return true;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) this.#parseBlock(block);
    }
  }

  #parseBlock(block) {
    let name = "";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data = line.slice(6);
    }
    if (this.#state !== "live") this.#broadcast({ name: "state", data: "live" });
    if (data) this.#broadcast({ name, data: JSON.parse(data) });
  }

  #broadcast(message) {
    this.#channel.postMessage(message);
    this.#handle(message);
  }

  #handle({ name, data }) {
    if (name === "hello") {
      if (this.#leads && this.#state) {
        if (this.#erasure) this.#channel.postMessage({ name: "erasure", data: { mark: this.#erasure } });
        this.#channel.postMessage({ name: "state", data: this.#state });
        this.#channel.postMessage({ name: "beat", data: { seq: this.#position, changes: this.#changes } });
      }
      return;
    }
    this.#lastMessageAt = Date.now();
    if (name === "erasure") {
      const isNew = this.#erasure !== undefined && this.#erasure !== data.mark;
      this.#erasure = data.mark;
      if (isNew) this.#emit("erased");
      return;
    }
    if (name === "state") {
      if (data === this.#state) return;
      this.#state = data;
    } else if (name === "card") {
      if (data.seq <= this.#position) return;
      // This tab has missed records.
      if (data.after > this.#position) this.#emit("jump", data);
      this.#position = data.seq;
    } else if (name === "beat") {
      // The hub tells of the last erasure first.
      this.#erasure ??= "";
      if (data.seq > this.#position) {
        this.#position = data.seq;
        this.#emit("jump", data);
      }
    } else if (name === "jump") {
      this.#erasure ??= "";
      // Another log: a backup was restored.
      if (data.seq < this.#position) this.#emit("erased");
      this.#position = data.seq;
    }
    if (data.changes !== undefined && data.changes !== this.#changes) {
      this.#changes = data.changes;
      if (name !== "change" && name !== "alarm") this.#emit("stale");
    }
    this.#emit(name, data);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // A broken connection may show only as silence.
  #watch() {
    const silent = Date.now() - this.#lastMessageAt;
    if (silent < SILENT_MS || this.#state === "signed-out") return;
    if (this.#leads) {
      this.#lastMessageAt = Date.now();
      this.#reading?.abort();
    } else if (silent > 2 * SILENT_MS) {
      // The leading tab is suspended: take over.
      this.#lastMessageAt = Date.now();
      this.#lead({ steal: true });
    } else if (this.#state !== "lost") {
      this.#state = "lost";
      this.#emit("state", "lost");
    }
  }
}
