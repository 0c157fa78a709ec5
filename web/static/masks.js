// Draws privacy masks on the last picture: dragging fills the numbers of the first area that is
// free, and numbers that are typed move their area. Without this script the numbers alone count.

const SIDES = ["x", "y", "w", "h"];
const SVG = "http://www.w3.org/2000/svg";

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

export function drawMasks(form) {
  const areas = [...form.querySelectorAll("[data-masks-area]")].map((element) => new Area(element));
  const drawing = form.querySelector("[data-masks-areas]");
  for (const area of areas) area.offerClear();
  if (!drawing) return;
  form.querySelector("[data-masks-hint]").hidden = false;
  drawing.parentElement.classList.add("mask-drawable");
  const show = () => {
    drawing.replaceChildren(...areas.map((area) => area.shape()).filter(Boolean));
  };
  form.addEventListener("input", show);
  show();
  followPointer(drawing, areas, show);
}

class Area {
  #element;
  #inputs;

  constructor(element) {
    this.#element = element;
    this.#inputs = SIDES.map((side) => element.querySelector(`input[name^="${side}"]`));
  }

  get isFree() {
    return this.#inputs.every((input) => input.value === "");
  }

  set(numbers) {
    this.#inputs.forEach((input, at) => {
      input.value = numbers[at];
      input.removeAttribute("aria-invalid");
    });
  }

  offerClear() {
    const button = this.#element.querySelector("[data-masks-clear]");
    button.hidden = false;
    button.addEventListener("click", () => {
      this.set(["", "", "", ""]);
      this.#inputs[0].dispatchEvent(new Event("input", { bubbles: true }));
      this.#inputs[0].focus();
    });
  }

  shape() {
    const [x, y, width, height] = this.#inputs.map((input) => input.valueAsNumber);
    if (![x, y].every((one) => one >= 0) || !(width > 0) || !(height > 0)) return null;
    const shape = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x, y, width, height })) {
      shape.setAttribute(name, value);
    }
    return shape;
  }
}

function followPointer(drawing, areas, show) {
  const { width, height } = drawing.viewBox.baseVal;
  let drawn = null;
  let start = null;

  // Where the pointer is, in pixels of the main stream.
  function place(event) {
    const box = drawing.getBoundingClientRect();
    return [
      Math.round(clamp((event.clientX - box.left) / box.width, 0, 1) * width),
      Math.round(clamp((event.clientY - box.top) / box.height, 0, 1) * height),
    ];
  }

  function draw(event) {
    const end = place(event);
    const sizes = end.map((one, at) => Math.abs(one - start[at]));
    if (sizes.every((size) => size > 0)) {
      drawn.set([...end.map((one, at) => Math.min(one, start[at])), ...sizes]);
      show();
    }
  }

  drawing.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drawn = areas.find((area) => area.isFree) ?? areas.at(-1);
    start = place(event);
    drawing.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  drawing.addEventListener("pointermove", (event) => {
    if (drawn) draw(event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    drawing.addEventListener(end, () => {
      drawn = null;
    });
  }
}
