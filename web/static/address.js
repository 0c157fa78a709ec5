// Where the hub is: at the root of its host, or below a path at which a reverse proxy serves it.

const root = document.documentElement.dataset.root ?? "/";

// The address of one of the hub's paths, such as "/stream".
export const addressOf = (path) => root + path.slice(1);

// The path for which cookies of the pages count.
export const cookiePath = root.slice(0, -1) || "/";

// A name for what pages of one origin share, which may be those of several hubs.
export const ownName = (name) => name + root.slice(0, -1);
