// The form of the page of search: of several ways to name a time or cameras, the last one counts.

const EXACT = ["day", "since", "until"];
// What a time of the day can be of; without a day, it is today's.
const DAYS = ["today", "yesterday"];

export function keepAnswersApart(form) {
  const field = (name) => form.elements.namedItem(name);
  const when = (value) => form.querySelector(`[name="when"][value="${value}"]`);
  const anyTime = when("");
  const boxes = [...form.querySelectorAll("[data-several] input")];

  form.addEventListener("change", ({ target }) => {
    if (target.name === "when") {
      for (const name of EXACT) field(name).value = "";
      if (!DAYS.includes(target.value)) field("around").value = "";
    } else if (target.name === "around" && target.value) {
      const isOfDay = DAYS.includes(field("when").value) || field("day").value;
      if (!isOfDay) when("today").checked = true;
      for (const name of ["since", "until"]) field(name).value = "";
    } else if (EXACT.includes(target.name) && target.value) {
      anyTime.checked = true;
      const others = target.name === "day" ? ["since", "until"] : ["day", "around"];
      for (const name of others) field(name).value = "";
    } else if (target.name === "where") {
      if (target.value !== "some") for (const box of boxes) box.checked = false;
    } else if (boxes.includes(target)) chooseSeveral();
  });

  // What is below answers the question before.
  const stale = document.querySelector(".search-stale");
  if (stale) form.addEventListener("input", () => (stale.hidden = false));

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
