// Pictures that cannot be loaded: they no longer exist, or the hub was away.

const MAX_WAITING = 500;
// What stands in the document for a picture on a card.
const waiting = new Map();

// Where a picture no longer exists, show the same icon as for a card without one.
export function removeMissingPictures() {
  document.addEventListener("error", ({ target }) => removeMissing(target), true);
  // Pictures that failed before this listener was added.
  for (const image of document.querySelectorAll(":is(.card-picture, .alarm-picture, .alarm-pictures) img")) {
    if (image.complete && image.currentSrc && !image.naturalWidth) removeMissing(image);
  }
}

function removeMissing(image) {
  if (image.matches?.(".alarm-picture img, .alarm-pictures img")) image.closest("a, figure").remove();
  if (!image.matches?.(".card-picture img")) return;
  const place = document.createComment("");
  image.replaceWith(place);
  waiting.set(place, image);
  if (waiting.size > MAX_WAITING) waiting.delete(waiting.keys().next().value);
}

// The hub is there again: try once more.
export function retryPictures() {
  for (const [place, image] of waiting) {
    const again = image.cloneNode();
    if (place.isConnected) place.replaceWith(again);
  }
  waiting.clear();
}
