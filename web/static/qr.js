// Reads a photographed QR code into the form that it was photographed for. The browser finds the code
// (BarcodeDetector); without that the fields are typed, and the buttons stay hidden.

const LONGEST_SIDE = 1_600;
const NAMES = {
  sn: ["sn", "s/n", "serial", "serialno", "serialnumber", "deviceserial", "序列号"],
  code: ["code", "securitycode", "verifycode", "verificationcode", "安全码", "验证码"],
  key: ["key", "publickey", "pubkey", "公钥"],
};
const FIELDS = Object.entries(NAMES).flatMap(([field, names]) => names.map((name) => [name, field]));
const FIELD_OF = new Map(FIELDS);
const PLAIN = /^[^\s]{1,128}$/;
// A public key in DER begins with a sequence longer than 127 bytes.
const DER = /^MI[A-Za-z0-9+/\s]{100,}={0,2}$/;

export async function readQrCodes() {
  const formats = await BarcodeDetector.getSupportedFormats();
  if (!formats.includes("qr_code")) return;
  // Forms are replaced with the parts of a page: show the buttons of all of them, by the style.
  document.documentElement.classList.add("reads-qr");
  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-qr]") && target.files.length) read(target);
  });
}

async function read(input) {
  const { form } = input;
  const [file] = input.files;
  // The photo is not sent, and a form with a file chosen would not be updated.
  input.value = "";
  const text = await detect(file).catch(() => null);
  say(form, text === null ? "none" : fill(form, parseQr(text)));
}

// The text of the QR code in a picture, or null.
async function detect(file) {
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  const picture = await createImageBitmap(file);
  try {
    const found = await detector.detect(picture);
    if (found.length) return found[0].rawValue;
    const again = await detector.detect(smaller(picture));
    return again.length ? again[0].rawValue : null;
  } finally {
    picture.close();
  }
}

// Some detectors find no code in a picture of many megapixels.
function smaller(picture) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// What a QR code says: { sn, code, key }, as far as it does. See docs/installer.md, Cameras.
export function parseQr(raw) {
  const text = raw.trim();
  if (text.includes("-----BEGIN ")) return { key: text };
  const named = fromJson(text) ?? fromUrl(text) ?? fromLines(text);
  if (named) return { ...named, ...(named.key && { key: asPem(named.key) }) };
  if (DER.test(text)) return { key: asPem(text) };
  return PLAIN.test(text) ? { plain: text } : {};
}

function fromJson(text) {
  try {
    const object = JSON.parse(text);
    return object && typeof object === "object" ? pick(Object.entries(object)) : null;
  } catch {
    return null;
  }
}

function fromUrl(text) {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || !URL.canParse(text)) return null;
  return pick([...new URL(text).searchParams]) ?? {};
}

// "SN: Y3CA… Code: AB12…", in lines or separated by commas or semicolons.
function fromLines(text) {
  const pairs = text.split(/[\n,;]/).map((line) => line.split(/[:：=](.*)/s));
  return pick(pairs.filter((pair) => pair.length > 1));
}

function pick(pairs) {
  const found = {};
  for (const [name, value] of pairs) {
    const field = FIELD_OF.get(String(name).toLowerCase().replace(/[\s_-]/g, ""));
    if (field && ["string", "number"].includes(typeof value)) found[field] = String(value).trim();
  }
  return Object.keys(found).length ? found : null;
}

function asPem(key) {
  if (key.includes("-----BEGIN ")) return key;
  const lines = key.replace(/\s/g, "").match(/.{1,64}/g).join("\n");
  return `-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----\n`;
}

// Put what was found into the form. Returns which text says what happened.
function fill(form, { sn, code, key, plain }) {
  const { sn: snField, code: codeField, key: keyField } = form.elements;
  const isFixed = snField?.type === "hidden";
  if (plain !== undefined) {
    if (plain === snField?.value) return "serial";
    if (codeField) code = plain;
  }
  if (isFixed && sn && sn !== snField.value) return "other";
  if (!isFixed && snField && sn) put(snField, sn);
  if (codeField && code) put(codeField, code);
  if (keyField && key) put(keyField, key);
  const isFilled = (codeField && code) || (keyField && key) || (!isFixed && snField && sn);
  return isFilled ? "filled" : "nothing";
}

function put(field, value) {
  field.value = value;
  const details = field.closest("details");
  if (details) details.open = true;
  // The code is checked, as when it is typed.
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function say(form, text) {
  const line = form.querySelector("[data-qr-status]");
  line.textContent = document.querySelector("#qr-texts").dataset[text];
}
