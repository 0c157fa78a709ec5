// What wants the attention of somebody who looks at another tab: in the title and icon of this one.

const title = document.title;
const icon = document.querySelector('link[rel="icon"]');
const plainIcon = icon.href;
// The most important first. A text, or "" for nothing.
const wanted = { alarms: "", listed: "" };

export function setAttention(source, text) {
  wanted[source] = text;
  const [first] = Object.values(wanted).filter(Boolean);
  const wantedTitle = first ? `${first} · ${title}` : title;
  if (document.title !== wantedTitle) document.title = wantedTitle;
  const wantedIcon = first ? icon.dataset.alarm : plainIcon;
  if (icon.href !== wantedIcon) icon.href = wantedIcon;
}
