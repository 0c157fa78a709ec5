// The service worker. It only says that the hub is away, in place of the browser's own error page,
// and leads a click on a notification to its alarm. It keeps no page and no picture.

const STYLE = `
  :root { color-scheme: light dark; font: 1.125rem/1.5 system-ui, sans-serif; }
  body { max-width: 32rem; margin: 18vh auto 0; padding: 1rem; text-align: center; }
  p { opacity: 0.8; }`;

// In both languages: nobody can ask the hub which one this browser has chosen. The page asks for the
// same address again by itself.
const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>sitehub</title><style>${STYLE}</style></head>
<body><main>
<h1>The hub cannot be reached</h1>
<p>This page opens by itself as soon as the hub is back.</p>
<div lang="zh-CN"><h1>无法连接系统</h1>
<p>系统恢复后，此页面会自动打开。</p></div>
</main></body></html>`;

const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
  "Cache-Control": "no-store",
};

// A new version has nothing to wait for: there is no state.
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const { mode, method } = event.request;
  // Everything else goes to the hub as if there were no service worker.
  if (mode !== "navigate" || method !== "GET") return;
  const answer = async () => {
    try {
      return await fetch(event.request);
    } catch {
      return new Response(PAGE, { status: 503, headers: HEADERS });
    }
  };
  event.respondWith(answer());
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { url } = event.notification.data;
  const show = async () => {
    const tabs = await clients.matchAll({ type: "window", includeUncontrolled: true });
    // A wall screen stays on its wall.
    const { scope } = registration;
    const isWall = (one) => one.url.split(/[?#]/)[0] === `${scope}wall`;
    const tab = tabs.find((one) => one.url.startsWith(scope) && !isWall(one));
    if (!tab) return clients.openWindow(url);
    await tab.focus();
    return tab.navigate(url).catch(() => clients.openWindow(url));
  };
  event.waitUntil(show());
});
