// Registers the service worker, where the browser allows one: over HTTPS with a certificate that it
// trusts. Elsewhere everything but the page "The hub cannot be reached" works as well.

import { addressOf } from "./address.js";

export function registerWorker() {
  const address = addressOf("/away.js");
  navigator.serviceWorker?.register(address, { updateViaCache: "none" }).catch(() => {});
}
