// What is better with a script; nothing needs it. Texts are in data attributes, in
// the visitor's language.
"use strict";

// Copy buttons show themselves where the browser can copy.
const showCopyButtons = (root) => { for (const button of root.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard; };
showCopyButtons(document);
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const code = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = button.dataset.copied;
  } catch { // the browser does not allow it
    getSelection().selectAllChildren(code);
    button.textContent = button.dataset.manual;
  }
});

// While something is pending, what may have changed is loaded again: soon at first,
// then less often. Nothing is replaced in which the visitor is.
async function refresh(delay) {
  const mark = document.querySelector("[data-refresh]");
  if (!mark) return;
  if (!document.hidden) {
    try {
      const response = await fetch(location.href, { redirect: "error" });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const part of response.ok ? document.querySelectorAll("[data-live]") : []) {
        const fresh = page.getElementById(part.id);
        if (!fresh || part.contains(document.activeElement) || getSelection().containsNode(part, true) && !getSelection().isCollapsed) continue;
        const folded = [...part.querySelectorAll("details")].reverse(), now = [...fresh.querySelectorAll("details")].reverse();
        folded.forEach((details, i) => { if (now[i]) now[i].open = details.open; }); // the newest comes first
        part.replaceChildren(...document.importNode(fresh, true).childNodes);
        showCopyButtons(part);
      }
      if (response.ok && !page.querySelector("[data-refresh]")) mark.remove();
    } catch { /* there is no connection now */ }
  }
  setTimeout(refresh, delay, Math.min(delay * 1.5, 60000));
}
setTimeout(refresh, 3000, 5000);

// Checkboxes of a group can be set together.
for (const group of document.querySelectorAll("fieldset[data-all]")) {
  const boxes = [...group.querySelectorAll("input[type=checkbox]")];
  if (boxes.length < 3) continue;
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "toggle";
  const say = () => { toggle.textContent = boxes.every((box) => box.checked) ? group.dataset.none : group.dataset.all; };
  toggle.addEventListener("click", () => {
    const set = !boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = set;
    say();
  });
  group.addEventListener("change", say);
  say();
  group.querySelector("legend").after(toggle);
}

// The answer to a test appears in its place.
for (const form of document.querySelectorAll("form[data-replace]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const place = form.parentElement.querySelector("[aria-live]");
    if (place.getAttribute("aria-busy")) return; // the button keeps the focus
    place.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (response.status === 401) return form.submit(); // the page to log in says how to go on
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const answer = page.getElementById(form.dataset.replace)?.querySelector("[aria-live]") ?? page.querySelector("main .card");
      for (const link of answer.querySelectorAll("[href]")) { // they are relative to another address
        link.href = new URL(link.getAttribute("href"), response.url).href;
      }
      place.replaceChildren(...document.importNode(answer, true).childNodes);
      showCopyButtons(place);
    } catch {
      place.textContent = form.dataset.offline;
    }
    place.removeAttribute("aria-busy");
  });
}
