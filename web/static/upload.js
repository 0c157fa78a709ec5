// Shows the upload progress of a form with files, which may take minutes.

export function showUploads() {
  // The form is replaced when the hub refuses it, so listen on the document.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-upload]")) return;
    event.preventDefault();
    send(event.target);
  });
}

function send(form) {
  const request = new XMLHttpRequest();
  const progress = form.querySelector("[data-upload-progress]");
  const fault = form.querySelector("[data-upload-fault]");
  const failed = () => {
    progress.hidden = true;
    fault.hidden = false;
    setBusy(form, false);
  };
  request.upload.addEventListener("progress", ({ loaded, total }) => show(progress, loaded, total));
  request.addEventListener("error", failed);
  request.addEventListener("load", () => {
    const went = new URL(request.responseURL);
    if (went.pathname !== new URL(form.action).pathname) location.assign(went);
    else if (request.status === 400) replace(form, request.responseText);
    else failed();
  });
  request.open("POST", form.action);
  request.setRequestHeader("X-Part", "1");
  fault.hidden = true;
  progress.hidden = false;
  show(progress, 0, 1);
  request.send(new FormData(form));
  setBusy(form, true);
}

function setBusy(form, isBusy) {
  for (const button of form.querySelectorAll("button")) button.disabled = isBusy;
}

function show(progress, loaded, total) {
  const bar = progress.querySelector("progress");
  bar.max = total;
  bar.value = loaded;
  const percent = Math.floor((loaded * 100) / total);
  const text = progress.querySelector("[data-upload-text]");
  text.textContent = percent < 100 ? `${percent} %` : progress.dataset.arrived;
}

function replace(form, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.querySelector("form");
  form.replaceWith(template.content);
  fresh.querySelector(".problem").scrollIntoView({ block: "center" });
}
