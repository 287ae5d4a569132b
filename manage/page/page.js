// What is better with a script; nothing needs it.
"use strict";

// A page that shows a secret once gets the address of its webhook, so that
// loading it again does not send the form again.
const moved = document.querySelector("[data-address]");
if (moved) history.replaceState(null, "", moved.dataset.address);

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

// Checkboxes of a group can be set together.
for (const group of document.querySelectorAll("fieldset")) {
  const boxes = [...group.querySelectorAll("input[type=checkbox]")];
  if (boxes.length < 3) continue;
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "toggle";
  const say = () => { toggle.textContent = boxes.every((box) => box.checked) ? "none" : "all"; };
  toggle.addEventListener("click", () => {
    const set = !boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = set;
    say();
  });
  group.addEventListener("change", say);
  say();
  group.querySelector("legend").append(toggle);
}

// Filters act when they are chosen; times are typed, and wait for the button.
for (const form of document.querySelectorAll("form.filters")) {
  form.addEventListener("change", (event) => {
    if (event.target instanceof HTMLSelectElement) form.requestSubmit();
  });
}

// The answer to a test appears in its place.
for (const form of document.querySelectorAll("form[data-replace]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const place = form.parentElement.querySelector("[aria-live]");
    const button = form.querySelector("button");
    if (button.disabled) return;
    button.disabled = true;
    place.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const answer = page.getElementById(form.dataset.replace)?.querySelector("[aria-live]") ?? page.querySelector("main .card");
      place.replaceChildren(...document.importNode(answer, true).childNodes);
    } catch {
      place.textContent = "The test could not be sent: is there a connection?";
    }
    button.disabled = false;
    place.removeAttribute("aria-busy");
  });
}
