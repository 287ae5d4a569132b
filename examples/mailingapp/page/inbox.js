// Shows what arrives while one looks. Without scripts, load the page again.
"use strict";
(() => {
  const look = async () => {
    if (document.hidden) return;
    const answer = await fetch("/inbox");
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("came");
    const shown = document.getElementById("came");
    if (fresh.dataset.count === shown.dataset.count) return;
    for (const open of shown.querySelectorAll("details[open]")) {
      const same = fresh.querySelector(`#${open.id}`);
      if (same) same.open = true;
    }
    shown.dataset.count = fresh.dataset.count;
    shown.replaceChildren(...fresh.childNodes);
  };
  setInterval(() => look().catch(() => {}), 1500);
})();
