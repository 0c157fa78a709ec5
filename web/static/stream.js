// One stream of events for all tabs of a browser, since a browser opens only six connections.
//
// The tab that holds the lock reads the stream and tells the others; when it goes, the next one
// takes over. Every tab keeps its own position and sees for itself where one is missing.

const CHANNEL = "sitehub";
const LOCK = "sitehub-stream";
// The hub says something every 15 s.
const SILENT_MS = 36_000;
const LONGEST_PAUSE_MS = 4_000;

export class Stream extends EventTarget {
  // Events: "card", "change", "beat", "jump" with what the hub sent as `detail`; "stale" where
  // something changed that this tab was not told of;
  // "state" with "live", "lost" or "signed-out".
  #channel = new BroadcastChannel(CHANNEL);
  #position;
  #changes;
  #state = "";
  #leads = false;
  #heardAt = Date.now();
  #reading = null;

  // `position` is the last record that the page shows, `changes` counts what it knows of.
  constructor(position, changes) {
    super();
    this.#position = position;
    this.#changes = changes;
    this.#channel.onmessage = (message) => this.#hear(message.data);
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
      // Another tab took the lock, for this one had fallen asleep: listen to it from now on.
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
        // The hub is away, the network is, or it fell silent: tried again below.
      }
      if (!this.#leads) return;
      // The hub ended it, as it does for who is signed out: asking again tells at once.
      if (ended && Date.now() - began > 1_000) continue;
      if (this.#state !== "signed-out") this.#tell({ name: "state", data: "lost" });
      if (Date.now() - began > LONGEST_PAUSE_MS) pause = 500;
      await new Promise((done) => setTimeout(done, pause * (0.75 + Math.random() / 2)));
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }

  // True where the hub ended a stream that it had begun.
  async #read() {
    this.#reading = new AbortController();
    const silence = setTimeout(() => this.#reading.abort(), SILENT_MS);
    const response = await fetch(`/stream?after=${this.#position}`, {
      signal: this.#reading.signal,
      headers: { Accept: "text/event-stream" },
    });
    clearTimeout(silence);
    if (response.redirected) {
      this.#tell({ name: "state", data: "signed-out" });
      return false;
    }
    if (!response.ok) return false;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    this.#heardAt = Date.now();
    while (true) {
      const { done, value } = await reader.read();
      if (done) return true;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) this.#take(block);
    }
  }

  #take(block) {
    let name = "";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data = line.slice(6);
    }
    if (this.#state !== "live") this.#tell({ name: "state", data: "live" });
    if (data) this.#tell({ name, data: JSON.parse(data) });
  }

  #tell(message) {
    this.#channel.postMessage(message);
    this.#hear(message);
  }

  #hear({ name, data }) {
    if (name === "hello") {
      if (this.#leads && this.#state) {
        this.#channel.postMessage({ name: "state", data: this.#state });
        this.#channel.postMessage({ name: "beat", data: { seq: this.#position, changes: this.#changes } });
      }
      return;
    }
    this.#heardAt = Date.now();
    if (name === "state") {
      if (data === this.#state) return;
      this.#state = data;
    } else if (name === "card") {
      if (data.seq <= this.#position) return;
      // Records came by that this tab was not told of.
      if (data.after > this.#position) this.#emit("jump", data);
      this.#position = data.seq;
    } else if (name === "beat") {
      if (data.seq > this.#position) {
        this.#position = data.seq;
        this.#emit("jump", data);
      }
    } else if (name === "jump") {
      this.#position = data.seq;
    }
    if (data.changes !== undefined && data.changes !== this.#changes) {
      this.#changes = data.changes;
      if (name !== "change") this.#emit("stale");
    }
    this.#emit(name, data);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // A cut that nobody announces shows by silence.
  #watch() {
    const silent = Date.now() - this.#heardAt;
    if (silent < SILENT_MS || this.#state === "signed-out") return;
    if (this.#leads) {
      this.#heardAt = Date.now();
      this.#reading?.abort();
    } else if (silent > 2 * SILENT_MS) {
      // The tab that leads sleeps: take the lead from it.
      this.#heardAt = Date.now();
      this.#lead({ steal: true });
    } else if (this.#state !== "lost") {
      this.#state = "lost";
      this.#emit("state", "lost");
    }
  }
}
