// Registers the service worker, where the browser allows one: over HTTPS with a certificate that it
// trusts. Elsewhere everything but the page "The hub cannot be reached" works as well.

export function registerWorker() {
  navigator.serviceWorker?.register("/away.js", { updateViaCache: "none" }).catch(() => {});
}
