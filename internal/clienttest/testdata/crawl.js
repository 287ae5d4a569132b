// Follows every link of every page, sends every form and presses every button,
// as a visitor with scripts or without, and looks at every page at four widths.
// What there is to follow is found on the pages, so that a new page is covered.
"use strict";
const assert = require("node:assert/strict");
const { launch, open, accessible, layout, picture, problems } = require("./browser.js");

const [base, receiver, executablePath, mode, screenshots] = process.argv.slice(2);
const scripts = mode === "scripts" || mode === "layout";
const root = new URL(base + "/");
const widths = process.env.LISTHOOK_WIDTHS?.split(",").map(Number) ?? [390, 800, 1024, 1280];

// kind is a page's address without what tells one webhook, delivery, query or
// notice from another.
function kind(address) {
  const url = new URL(address);
  const below = url.pathname.slice(root.pathname.length)
    .replace(/^webhooks\/[^/]+/, "webhooks/{id}").replace(/^deliveries\/[^/]+/, "deliveries/{id}");
  const keys = [...new Set(url.searchParams.keys())].filter((key) => key !== "done" && url.searchParams.get(key)).sort();
  return below + (keys.length ? "?" + keys.join("&") : "") + url.hash;
}
const ours = (address) => address.startsWith(root.href) || address === root.href.slice(0, -1);
const plain = (address) => address.split("#")[0];

const pages = []; // to look at
const seen = new Map(); // how often, by kind
const known = new Set(); // addresses
const good = new Set(); // addresses that answered as they should
const pressed = new Set(); // links, buttons and forms, by page and kind
const promised = new Map(); // addresses that only links of the head lead to here, by where

function enqueue(address) {
  address = plain(address);
  if (!ours(address) || known.has(address)) return;
  const k = kind(address);
  const often = seen.get(k) ?? 0;
  if (often >= ({ "webhooks/{id}": 9, "deliveries/{id}": 6 }[k] ?? 1)) return;
  seen.set(k, often + 1);
  known.add(address);
  pages.push(address);
}

// go asks for a page anew.
async function go(page, address) {
  const response = await page.goto(address, { waitUntil: "load" });
  return response ? response.status() : 200; // null: only the fragment differs
}

// act does something that navigates, and returns the status of the page that is
// there then.
async function act(page, what, doing) {
  const moved = page.waitForNavigation({ waitUntil: "load" });
  try {
    await Promise.all([moved, doing()]);
  } catch (error) {
    throw new Error(`${kind(page.url())}: ${what}: ${error.message}`);
  }
  const response = await moved;
  return response ? response.status() : 200;
}

const links = (page) => page.evaluate(() => [...document.querySelectorAll("a[href]")].map((a, index) => ({
  index, href: a.href, text: a.textContent.trim(), head: Boolean(a.closest("header")), skip: a.className === "skip", blank: a.target === "_blank",
})));

const forms = (page) => page.evaluate(() => [...document.forms].map((form, index) => ({
  index, action: form.action, method: form.method, inPlace: Boolean(form.dataset.replace),
  does: [...form.querySelectorAll("input[type=hidden][name=do]")].map((input) => input.value).join(),
  button: [...form.querySelectorAll("button:not([type=button])")].map((button) => button.textContent.trim()).join(),
})));

// openAll opens what is folded.
const openAll = (page) => page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });

// look compares boxes. Of pages that differ in their query alone the first is
// looked at, and the first with a query; of webhooks' pages each, since they are
// in different states.
async function look(page, address) {
  const [path, query] = kind(address).split("?");
  const shape = path === "webhooks/{id}" ? address : `${path} ${Boolean(query)}`;
  if (!scripts || looked.has(shape)) return;
  looked.set(shape, address);
  await openAll(page);
  const size = page.viewportSize();
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    for (const problem of await layout(page)) problems.push(`${kind(address)} at ${width} px: ${problem}`);
    await picture(page, screenshots, `${kind(address) || "overview"}-${width}`);
  }
  await page.setViewportSize(size);
}
const looked = new Map(); // addresses, by shape

// follow clicks the links of a page that were not clicked on a page of its kind.
async function follow(page, address) {
  const here = kind(address);
  for (const link of await links(page)) {
    if (!ours(link.href)) {
      assert.match(link.href, /^https:\/\//, `${here}: ${link.text}`);
      continue;
    }
    promised.set(plain(link.href), here);
    // The head's are the same on every page: by the depth of its address.
    const key = `${link.head ? "depth " + here.split("?")[0].split("/").length : here} → ${kind(link.href)}`;
    if (pressed.has(key)) {
      enqueue(link.href);
      continue;
    }
    pressed.add(key);
    if (plain(page.url()) !== plain(address)) await go(page, address);
    await openAll(page);
    const a = page.locator("a[href]").nth(link.index);
    let status;
    if (link.blank) {
      const [popup] = await Promise.all([page.waitForEvent("popup"), a.click()]);
      await popup.waitForLoadState();
      if (popup.url() !== link.href) problems.push(`${here}: ${link.text} leads to ${popup.url()}`);
      await popup.close();
      enqueue(link.href);
      continue;
    } else if (link.skip) {
      status = await act(page, link.text, async () => { await a.focus(); await page.keyboard.press("Enter"); });
    } else {
      status = await act(page, link.text, () => a.click());
    }
    if (status !== 200) {
      problems.push(`${here}: the link ${link.text} leads to ${page.url()}, which answers ${status}`);
      known.add(plain(link.href)); // once is enough
      continue;
    }
    good.add(plain(link.href));
    if (!ours(page.url())) problems.push(`${here}: the link ${link.text} leads away, to ${page.url()}`);
    const hash = new URL(page.url()).hash.slice(1);
    if (hash && await page.locator(`[id="${hash}"]`).count() !== 1) problems.push(`${here}: the link ${link.text} leads to #${hash}, which is not there`);
    enqueue(page.url());
  }
}

// press presses the buttons that scripts put there.
async function press(page, address) {
  if (!scripts) return;
  const here = kind(address);
  if (plain(page.url()) !== plain(address)) await go(page, address);
  await openAll(page);
  let toggled = false;
  for (const button of await page.locator("button[type=button]:visible").all()) {
    const key = `${here} button ${await button.evaluate((b) => b.dataset.copy ?? b.parentElement.id)}`;
    if (pressed.has(key)) continue;
    pressed.add(key);
    await button.click();
    toggled = true;
  }
  if (toggled) await go(page, address);
}

// fill types what a form asks for.
async function fill(form, method) {
  for (const field of await form.locator("input, textarea, select").all()) {
    const { type, name, value, visible } = await field.evaluate((f) => ({ type: f.type, name: f.name, value: f.value, visible: f.checkVisibility() }));
    if (!visible || value && type !== "radio") continue;
    if (type === "url") await field.fill(receiver + "/crawled");
    else if (type === "datetime-local" && name === "since" && method === "post") await field.fill("2026-01-01T00:00");
    else if (type === "text" && name === "name") await field.fill("Crawled");
  }
}

// send sends the forms of a page that were not sent on a page of its kind. It
// returns those that delete something, for later.
async function send(page, address, deletes) {
  const here = kind(address);
  for (const { index, action, method, inPlace, does, button } of await forms(page)) {
    const key = `${here} form ${kind(action)} ${does} ${button}`;
    if (pressed.has(key)) continue;
    if (action.endsWith("/delete") && !deletes) {
      later.set(key, address);
      continue;
    }
    pressed.add(key);
    assert.ok(ours(action), `${here}: ${button} sends to ${action}`);
    if (plain(page.url()) !== plain(address)) await go(page, address);
    await openAll(page);
    const form = page.locator("form").nth(index);
    await fill(form, method);
    const submit = form.locator("button:not([type=button])").first();
    if (scripts && inPlace) {
      await submit.click();
      await page.locator("[aria-live]:not([aria-busy]) .result").first().waitFor();
      if (await submit.evaluate((b) => b !== document.activeElement)) problems.push(`${here}: ${button} loses the focus`);
    } else {
      const status = await act(page, button, () => submit.click());
      if (status !== 200) problems.push(`${here}: ${button} (${method} ${kind(action)}) answers ${status}: ${(await page.locator("main").innerText()).slice(0, 300)}`);
      if (!ours(page.url())) problems.push(`${here}: ${button} leads away, to ${page.url()}`);
      // What follows may show what no other page does, and may be loaded again.
      const landed = page.url();
      enqueue(landed);
      await follow(page, landed);
      if (method === "get") continue;
      if (plain(page.url()) !== plain(landed)) await go(page, landed);
      if (!inPlace) {
        const before = await page.locator("main").innerText();
        await act(page, "loading it again", () => page.reload());
        const after = await page.locator("main").innerText();
        if (heading(before) !== heading(after)) problems.push(`${here}: ${button}: loading ${kind(landed)} again shows something else`);
      }
      changed.push(landed, address); // there may be other forms now
      return;
    }
  }
}
const heading = (text) => text.split("\n")[0];
const later = new Map(); // forms that delete, by page
const changed = []; // pages that look different after a form was sent

(async () => {
  const browser = await launch(executablePath);
  const page = await open(browser, { javaScriptEnabled: scripts, extraHTTPHeaders: { "X-Role": mode === "viewer" ? "viewer" : "" } });
  enqueue(root.href);
  while ((pages.length || changed.length) && problems.length < 20) {
    const again = pages.length === 0;
    const address = again ? changed.pop() : pages.shift();
    const status = await go(page, address);
    if (status === 404 && again) continue; // it was deleted
    if (status !== 200) problems.push(`${kind(address)} answers ${status}, linked from ${promised.get(address)}`);
    good.add(address);
    await look(page, address);
    await follow(page, address);
    if (plain(page.url()) !== plain(address)) await go(page, address);
    await press(page, address);
    await send(page, address, false);
    if (pages.length + changed.length === 0) {
      const deletion = later.entries().next();
      if (!deletion.done) {
        const [key, at] = deletion.value;
        later.delete(key);
        if (!pressed.has(key) && await go(page, at) === 200) await send(page, at, true);
      }
    }
  }

  // Every other address that some link leads to is of a kind that was visited.
  const kinds = new Set([...good].map(kind));
  for (const [address, from] of promised) {
    if (!kinds.has(kind(address))) problems.push(`${from} links to ${address}, which was never asked for`);
  }

  if (scripts) {
    const one = new Map(); // of each kind of page the last, which has a query or was changed
    for (const address of looked.values()) one.set(kind(address).split("?")[0], address);
    for (const [width, colorScheme] of [[1280, "light"], [390, "dark"]]) {
      const page = await open(browser, { viewport: { width, height: 900 }, colorScheme });
      for (const [k, address] of one) {
        if (await go(page, address) === 200) await accessible(page, `${k} at ${width} px, ${colorScheme}`);
      }
      await page.context().close();
    }
  }
  await browser.close();
  console.log(`${good.size} pages, ${pressed.size} links, buttons and forms:\n${[...pressed].sort().join("\n")}`);
  assert.deepEqual(problems, []);
})().catch((error) => { console.error(error); process.exit(1); });
