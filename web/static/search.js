// The form of the page of search: of several ways to name a time or cameras, the last one counts.

const EXACT = ["day", "since", "until"];

export function keepAnswersApart(form) {
  const field = (name) => form.elements.namedItem(name);
  const anyTime = form.querySelector('[name="when"][value=""]');
  const boxes = [...form.querySelectorAll("[data-several] input")];

  form.addEventListener("change", ({ target }) => {
    if (target.name === "when") for (const name of EXACT) field(name).value = "";
    else if (EXACT.includes(target.name) && target.value) {
      anyTime.checked = true;
      const others = target.name === "day" ? ["since", "until"] : ["day", "around"];
      for (const name of others) field(name).value = "";
    } else if (target.name === "where") {
      if (target.value !== "some") for (const box of boxes) box.checked = false;
    } else if (boxes.includes(target)) chooseSeveral();
  });

  // Leave the choice of one camera, which would count more than the boxes.
  function chooseSeveral() {
    const where = field("where");
    if (where.value !== "some") where.value = where.options[0].value === "" ? "" : "some";
  }

  // Fields that were left empty do not belong into the address.
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
}
