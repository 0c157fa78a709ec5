// Chooses a photo (file, drag and drop, clipboard, the computer's camera, a picture of the hub) and
// crops it to a square before it is sent. With data-crop="optional" the whole picture is sent until
// somebody wants a section. Without this script the whole file is sent.

const MAX_WORK_PIXELS = 1_600;
const MAX_SENT_PIXELS = 640;
// The hub refuses photos with a shorter side.
const MIN_PIXELS = 112;
const QUALITY = 0.92;

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

export function cropPhotos() {
  for (const picker of document.querySelectorAll("[data-crop]")) new Crop(picker).start();
}

class Crop {
  #picker;
  #input;
  #canvas;
  #box;
  #square = null;
  #isCropping;
  #stream = null;

  constructor(picker) {
    this.#picker = picker;
    this.#input = picker.querySelector("input[type=file]");
    this.#canvas = this.#part("canvas");
    this.#box = this.#part("box");
  }

  start() {
    this.#isCropping = this.#picker.dataset.crop !== "optional";
    this.#part("tools").hidden = false;
    this.#input.addEventListener("change", () => this.#use(this.#input.files[0]));
    this.#input.form.addEventListener("formdata", ({ formData }) => {
      if (this.#square) formData.set(this.#input.name, this.#isCropping ? this.#cropped() : this.#whole());
    });
    this.#acceptDrops();
    this.#acceptPaste();
    this.#offerCamera();
    this.#followPointer();
    this.#box.addEventListener("keydown", (event) => this.#press(event));
    this.#onClick("larger", () => this.#resize(1.1));
    this.#onClick("smaller", () => this.#resize(1 / 1.1));
    this.#onClick("turn", () => this.#turn());
    this.#onClick("begin", () => {
      this.#isCropping = true;
      this.#show();
      this.#box.focus();
    });
    const { source } = this.#picker.dataset;
    if (source) this.#fetch(source);
  }

  #part(name) {
    return this.#picker.querySelector(`[data-crop-${name}]`);
  }

  #onClick(name, action) {
    this.#part(name).addEventListener("click", action);
  }

  // Sources

  #acceptDrops() {
    const over = (isOver) => this.#picker.classList.toggle("crop-over", isOver);
    this.#picker.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    this.#picker.addEventListener("dragleave", () => over(false));
    this.#picker.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      this.#use(event.dataTransfer.files[0]);
    });
  }

  #acceptPaste() {
    document.addEventListener("paste", (event) => {
      const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
      if (!file) return;
      event.preventDefault();
      this.#use(file);
    });
  }

  #offerCamera() {
    // Browsers allow the camera on secure origins only.
    if (!navigator.mediaDevices?.getUserMedia) return;
    this.#part("camera").hidden = false;
    this.#onClick("camera", () => this.#openCamera());
    this.#onClick("shoot", () => this.#shoot());
    this.#onClick("cancel", () => this.#closeCamera());
    addEventListener("pagehide", () => this.#closeCamera());
  }

  async #openCamera() {
    try {
      const video = { width: { ideal: 1280 }, facingMode: "user" };
      this.#stream = await navigator.mediaDevices.getUserMedia({ video });
    } catch {
      return this.#say("cameraFault");
    }
    this.#part("film").hidden = false;
    const view = this.#part("video");
    view.srcObject = this.#stream;
    await view.play();
    this.#part("shoot").focus();
  }

  #shoot() {
    const view = this.#part("video");
    this.#draw(view, view.videoWidth, view.videoHeight);
    this.#closeCamera();
    if (this.#isCropping) this.#box.focus();
  }

  #closeCamera() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#part("film").hidden = true;
  }

  async #fetch(source) {
    try {
      const response = await fetch(source);
      if (response.ok && !response.redirected) await this.#use(await response.blob());
    } catch {
      // The hub reads the picture itself when the form is sent without a file.
    }
  }

  async #use(file) {
    if (!file) return;
    let picture;
    try {
      picture = await createImageBitmap(file);
    } catch {
      // Unknown to this browser. A chosen file is sent as it is, and the hub says what is wrong.
      this.#forget();
      return this.#say("unknown");
    }
    this.#draw(picture, picture.width, picture.height);
    picture.close();
  }

  #draw(picture, width, height) {
    const scale = Math.min(1, MAX_WORK_PIXELS / Math.max(width, height));
    if (Math.min(width, height) * scale < MIN_PIXELS) {
      this.#forget();
      return this.#say("small");
    }
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    this.#canvas.getContext("2d").drawImage(picture, 0, 0, this.#canvas.width, this.#canvas.height);
    this.#begin();
  }

  #begin() {
    const { width, height } = this.#canvas;
    const size = Math.min(width, height);
    this.#square = { x: (width - size) / 2, y: (height - size) / 4, size };
    // The section is sent, however large the file is.
    this.#input.required = false;
    this.#input.setCustomValidity("");
    this.#show();
  }

  #forget() {
    this.#square = null;
    this.#part("stage").hidden = this.#part("offer").hidden = true;
  }

  // The square

  #place(x, y, size = this.#square.size) {
    const { width, height } = this.#canvas;
    size = clamp(size, MIN_PIXELS, Math.min(width, height));
    this.#square = { x: clamp(x, 0, width - size), y: clamp(y, 0, height - size), size };
    this.#show();
  }

  #resize(factor) {
    if (!this.#square) return;
    const { x, y, size } = this.#square;
    const wanted = clamp(size * factor, MIN_PIXELS, Math.min(this.#canvas.width, this.#canvas.height));
    this.#place(x + (size - wanted) / 2, y + (size - wanted) / 2, wanted);
  }

  #turn() {
    if (!this.#square) return;
    const turned = document.createElement("canvas");
    [turned.width, turned.height] = [this.#canvas.height, this.#canvas.width];
    const context = turned.getContext("2d");
    context.translate(turned.width, 0);
    context.rotate(Math.PI / 2);
    context.drawImage(this.#canvas, 0, 0);
    [this.#canvas.width, this.#canvas.height] = [turned.width, turned.height];
    this.#canvas.getContext("2d").drawImage(turned, 0, 0);
    this.#begin();
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { x, y } = this.#square;
    const step = event.shiftKey ? 1 : Math.max(2, Math.round(this.#canvas.width / 50));
    const actions = {
      ArrowLeft: () => this.#place(x - step, y),
      ArrowRight: () => this.#place(x + step, y),
      ArrowUp: () => this.#place(x, y - step),
      ArrowDown: () => this.#place(x, y + step),
      "+": () => this.#resize(1.1),
      "=": () => this.#resize(1.1),
      "-": () => this.#resize(1 / 1.1),
      _: () => this.#resize(1 / 1.1),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  #followPointer() {
    this.#box.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      this.#box.focus();
      this.#box.setPointerCapture(event.pointerId);
      const { corner } = event.target.dataset;
      const [start, from] = [this.#point(event), this.#square];
      const follow = (moved) => {
        const to = this.#point(moved);
        if (corner) this.#pull(corner, from, to.x - start.x, to.y - start.y);
        else this.#place(from.x + to.x - start.x, from.y + to.y - start.y);
      };
      const end = () => {
        this.#box.removeEventListener("pointermove", follow);
        for (const name of ["pointerup", "pointercancel"]) this.#box.removeEventListener(name, end);
      };
      this.#box.addEventListener("pointermove", follow);
      for (const name of ["pointerup", "pointercancel"]) this.#box.addEventListener(name, end);
    });
  }

  // The opposite corner stays where it is.
  #pull(corner, from, right, down) {
    const [isLeft, isTop] = [corner.includes("left"), corner.includes("top")];
    const grown = Math.max(isLeft ? -right : right, isTop ? -down : down);
    const { width, height } = this.#canvas;
    const [farX, farY] = [from.x + from.size, from.y + from.size];
    const room = Math.min(isLeft ? farX : width - from.x, isTop ? farY : height - from.y);
    const size = clamp(from.size + grown, MIN_PIXELS, room);
    this.#place(isLeft ? farX - size : from.x, isTop ? farY - size : from.y, size);
  }

  // The place of a pointer in pixels of the picture.
  #point({ clientX, clientY }) {
    const { left, top, width } = this.#canvas.getBoundingClientRect();
    const scale = this.#canvas.width / width;
    return { x: (clientX - left) * scale, y: (clientY - top) * scale };
  }

  #show() {
    this.#part("stage").hidden = !this.#isCropping;
    this.#part("offer").hidden = this.#isCropping;
    if (!this.#isCropping) return this.#showWhole();
    const { x, y, size } = this.#square;
    const { width, height } = this.#canvas;
    const { style } = this.#box;
    style.left = `${(x * 100) / width}%`;
    style.top = `${(y * 100) / height}%`;
    style.width = `${(size * 100) / width}%`;
    style.height = `${(size * 100) / height}%`;
    const preview = this.#part("preview");
    preview.getContext("2d").drawImage(this.#canvas, x, y, size, size, 0, 0, preview.width, preview.height);
    this.#say("size", Math.min(MAX_SENT_PIXELS, Math.round(size)));
  }

  #showWhole() {
    const shown = this.#part("whole");
    shown.width = Math.round((this.#canvas.width * shown.height) / this.#canvas.height);
    shown.getContext("2d").drawImage(this.#canvas, 0, 0, shown.width, shown.height);
    this.#say("size", this.#canvas.width);
  }

  #say(text, n = "") {
    this.#part("status").textContent = this.#part("status").dataset[text].replace("{n}", n);
  }

  #cropped() {
    const { x, y, size } = this.#square;
    const side = Math.min(MAX_SENT_PIXELS, Math.round(size));
    return this.#encode({ x, y, width: size, height: size }, side, side);
  }

  #whole() {
    const { width, height } = this.#canvas;
    return this.#encode({ x: 0, y: 0, width, height }, width, height);
  }

  // Synchronous, because a form's data is collected synchronously.
  #encode({ x, y, width, height }, sentWidth, sentHeight) {
    const sent = document.createElement("canvas");
    [sent.width, sent.height] = [sentWidth, sentHeight];
    const context = sent.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, sent.width, sent.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#canvas, x, y, width, height, 0, 0, sent.width, sent.height);
    const [, base64] = sent.toDataURL("image/jpeg", QUALITY).split(",");
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    return new File([bytes], "photo.jpg", { type: "image/jpeg" });
  }
}
