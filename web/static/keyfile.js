// Puts the text of a chosen key file into the form's field for the key: it can be read there, is
// checked with the code, and stays when the form is refused.

export function readKeyFiles() {
  // Forms are replaced with the parts of a page, so listen on the document.
  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-key-file]") && target.files.length) read(target);
  });
}

async function read(input) {
  if (!input.checkValidity()) return;
  const [file] = input.files;
  const field = input.form.elements.key;
  // A file that cannot be read is sent as it is.
  const text = await file.text().catch(() => null);
  if (text === null || input.files[0] !== file) return;
  field.value = text.trim();
  input.value = "";
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
