// A tour follows every link of every page, sends every form and presses every
// button, or only visits every page. It finds on the pages what there is to follow,
// so that a new page is covered.
"use strict";
const assert = require("node:assert/strict");
const { open, openAll, accessible, layouts, resize, untranslated, withScripts, problems } = require("./browser.js");

const plain = (address) => address.split("#")[0];

const linksOf = (view) => view.evaluate(() => [...document.querySelectorAll("a[href]")].map((a, index) => ({
  index, href: a.href, text: a.textContent.trim(), head: Boolean(a.closest("header, .top")), skip: a.className === "skip", blank: a.target === "_blank", download: a.hasAttribute("download"),
})));

const formsOf = (view) => view.evaluate(() => [...document.forms].map((form, index) => ({
  index, action: form.action, method: form.method, inPlace: Boolean(form.dataset.replace),
  does: [...form.querySelectorAll("input[type=hidden][name=do]")].map((input) => input.value).join(),
  button: [...form.querySelectorAll("button:not([type=button])")].map((button) => button.textContent.trim()).join(),
})));

// maxVisits is how many pages of a group are visited: webhooks and deliveries are
// in different states.
const maxVisits = { "webhooks/{id}": 9, "deliveries/{id}": 6 };

// A Tour's options are those of the type tour in crawl_test.go.
exports.Tour = class {
  pages = []; // addresses to visit
  changed = new Set(); // addresses of pages that look different after a form was sent
  visits = new Map(); // how many addresses were queued, by group
  known = new Set(); // addresses that were queued
  good = new Set(); // addresses that answered as they should
  clicked = new Set(); // links, buttons and forms, by page and kind
  linked = new Map(); // addresses that links lead to, with the page of the link
  looked = new Map(); // addresses whose boxes were compared, by shape
  deletions = new Map(); // pages with forms that delete, by form
  address = ""; // of the page that is visited
  held = false; // whether navigations are answered with "no content"

  constructor(browser, options) {
    Object.assign(this, options);
    this.browser = browser;
    this.root = new URL(this.base + "/");
    this.scripts = this.mode === "scripts" || this.mode === "log";
  }

  // kind is an address without what tells one webhook, delivery, query or notice
  // from another.
  kind(address) {
    const url = new URL(address);
    const keys = [...new Set(url.searchParams.keys())].filter((key) => key !== "done" && url.searchParams.get(key)).sort();
    return this.path(address) + (keys.length ? "?" + keys.join("&") : "") + url.hash;
  }

  // path is a kind without its query and fragment.
  path(address) {
    return new URL(address).pathname.slice(this.root.pathname.length)
      .replace(/^webhooks\/[^/]+/, "webhooks/{id}").replace(/^deliveries\/[^/]+/, "deliveries/{id}");
  }

  // group is what a tour visits one page of, or a few: a kind or, if it clicks
  // nothing, a path with or without a query.
  group(address) {
    const path = this.path(address), kind = this.kind(plain(address));
    return this.click || kind === path ? kind : path + "?";
  }

  // shape tells which pages have other boxes: each webhook's, for its state, and of
  // pages that differ in their query alone the one without and one with a query.
  shape(address) {
    const path = this.path(address), kind = this.kind(plain(address));
    return kind !== path ? path + "?" : path === "webhooks/{id}" ? address : path;
  }

  ours(address) { return address.startsWith(this.root.href) || address === this.root.href.slice(0, -1); }
  at(address) { return plain(this.view.url()) === plain(address); }

  enqueue(address) {
    address = plain(address);
    if (!this.ours(address) || this.known.has(address)) return;
    const group = this.group(address), often = this.visits.get(group) ?? 0;
    if (often >= (maxVisits[group] ?? 1)) return;
    this.visits.set(group, often + 1);
    this.known.add(address);
    this.pages.push(address);
  }

  // start opens the browser's tab. View is what shows the page: the tab, or a frame
  // of another site's page in it.
  async start() {
    this.tab = await open(this.browser, {
      javaScriptEnabled: this.scripts, viewport: { width: 1280, height: 900 },
      extraHTTPHeaders: { "X-Role": this.mode, "X-Locale": this.locale },
    });
    this.context = this.tab.context();
    this.view = this.tab;
    if (this.mount === "frame") {
      await this.tab.goto(this.site);
      this.view = this.tab.frame({ name: "webhooks" });
    }
  }

  // goTo asks for a page anew and returns the status of the answer.
  async goTo(address) {
    const response = await this.view.goto(address, { waitUntil: "load" });
    if (!response) return 200; // only the fragment differs
    const language = response.headers()["content-language"];
    if (language !== this.locale.toLowerCase()) problems.push(`${this.kind(address)} is in the language ${language}`);
    return response.status();
  }

  async return(address) {
    if (!this.at(address)) {
      await this.hold(false);
      await this.goTo(address);
    }
    await openAll(this.view);
  }

  // act does something that navigates, and returns the status of the page that is
  // there then.
  async act(what, doing) {
    const moved = this.view.waitForNavigation({ waitUntil: "load" });
    try {
      await Promise.all([moved, doing()]);
    } catch (error) {
      throw new Error(`${this.kind(this.view.url())}: ${what}: ${error.message}`);
    }
    const response = await moved;
    return response ? response.status() : 200;
  }

  async run() {
    await this.start();
    this.enqueue(this.root.href + (this.mode === "log" ? "deliveries" : ""));
    while ((this.pages.length || this.changed.size) && problems.length < 20) {
      const again = this.pages.length === 0;
      this.address = again ? [...this.changed].pop() : this.pages.shift();
      this.changed.delete(this.address);
      await this.visit(this.address, again);
      if (this.pages.length + this.changed.size === 0) await this.deleteOne();
    }
    // Every other address that some link leads to is of a group that was visited.
    const groups = new Set([...this.good].map((address) => this.group(address)));
    for (const [address, from] of this.linked) {
      if (!groups.has(this.group(address))) problems.push(`${from} links to ${address}, which was never asked for`);
    }
    if (this.widths && (this.mode === "scripts" || this.mode === "plain")) await this.lookAtStates();
    await this.audit();
  }

  async visit(address, again) {
    console.error(`${this.name}: ${this.kind(address)}`); // to see where it hangs
    const status = await this.goTo(address);
    if (status === 404 && again) return; // it was deleted
    if (status !== 200) problems.push(`${this.kind(address)} answers ${status}, linked from ${this.linked.get(address)}`);
    if (!this.ours(this.view.url())) problems.push(`${this.kind(address)} leads away, to ${this.view.url()}`);
    this.good.add(address);
    await this.look(address);
    await this.follow(address);
    if (!this.click) return;
    await this.return(address);
    await this.press(address);
    await this.send(address, false);
  }

  // look compares the boxes of one page of each shape.
  async look(address) {
    const shape = this.shape(address);
    if (!this.widths || this.looked.has(shape)) return;
    this.looked.set(shape, address);
    const { lang, dir } = await this.view.evaluate(() => {
      const { lang, dir } = document.querySelector(".listhook").closest("[lang]");
      return { lang, dir };
    });
    assert.deepEqual([lang, dir], [this.locale.toLowerCase(), this.locale === "ar" ? "rtl" : "ltr"]);
    await this.lookAt(this.kind(address));
  }

  async lookAt(name) {
    await openAll(this.view);
    await layouts(this.tab, this.view, this.widths, `${this.name} ${name || "overview"}`, this.screenshots);
    if (this.locale !== "en-XA") return;
    for (const word of await untranslated(this.view)) problems.push(`${name}: "${word}" is not translated`);
  }

  // follow clicks the links of a page that were not clicked on a page of its path.
  async follow(address) {
    const here = this.path(address);
    await openAll(this.view);
    for (const link of await linksOf(this.view)) {
      if (!this.ours(link.href)) {
        assert.match(link.href, /^https:\/\//, `${here}: ${link.text}`);
        continue;
      }
      if (!link.download) {
        this.linked.set(plain(link.href), here);
        this.enqueue(link.href);
      }
      // Those above the content are the same on every page: by the depth of its address.
      const key = `${link.head || link.skip ? "depth " + here.split("/").length : here} → ${link.skip ? "#main" : this.kind(link.href)}`;
      if (!this.click || this.clicked.has(key)) continue;
      await this.return(address);
      const now = (await linksOf(this.view)).find((l) => l.href === link.href && l.text === link.text && l.head === link.head);
      if (!now) continue; // what was pending has ended, and the page shows less
      this.clicked.add(key);
      await this.followLink(here, link, this.view.locator("a[href]").nth(now.index));
    }
    await this.hold(false);
  }

  // followLink clicks a link. The page stays where it is: the browser's request is
  // answered with "no content", since its page is one of those to visit.
  async followLink(here, link, a) {
    const hash = new URL(link.href).hash.slice(1);
    if (link.download) {
      await this.hold(false);
      const [file] = await Promise.all([this.tab.waitForEvent("download"), a.click()]);
      const failure = await file.failure();
      if (failure) problems.push(`${here}: ${link.text}: ${failure}`);
    } else if (link.blank) {
      const [popup] = await Promise.all([this.tab.waitForEvent("popup"), a.click()]);
      await popup.waitForURL((url) => url.href === link.href);
      await popup.close();
    } else if (hash) {
      await this.hold(false);
      const status = await this.act(link.text, link.skip ? async () => { await a.focus(); await this.tab.keyboard.press("Enter"); } : () => a.click());
      if (status !== 200 || this.view.url() !== link.href) problems.push(`${here}: the link ${link.text} leads to ${this.view.url()}, which answers ${status}`);
      if (await this.view.locator(`[id="${hash}"]`).count() !== 1) problems.push(`${here}: the link ${link.text} leads to #${hash}, which is not there`);
    } else {
      await this.hold(true);
      const [request] = await Promise.all([this.tab.waitForRequest((r) => r.isNavigationRequest()), a.click()]);
      if (request.url() !== link.href) problems.push(`${here}: the link ${link.text} leads to ${request.url()}`);
    }
  }

  // hold has navigations answered with "no content", or no longer.
  async hold(on) {
    if (this.held === on) return;
    this.held = on;
    if (on) await this.tab.route("**/*", (route) => route.request().isNavigationRequest() ? route.fulfill({ status: 204 }) : route.continue());
    else await this.tab.unrouteAll({ behavior: "wait" });
  }

  // press presses the buttons that scripts put there.
  async press(address) {
    if (!this.scripts) return;
    let pressed = false;
    for (const button of await this.view.locator("button[type=button]:visible").all()) {
      const key = `${this.path(address)} button ${await button.evaluate((b) => b.dataset.copy ?? b.parentElement.id)}`;
      if (this.clicked.has(key)) continue;
      this.clicked.add(key);
      await button.click();
      pressed = true;
    }
    if (pressed) await this.goTo(address);
  }

  // fill types what a form asks for.
  async fill(form, method) {
    const fields = form.locator("input, textarea, select");
    const asked = await fields.evaluateAll((all) => all.map((f) => ({ type: f.type, name: f.name, value: f.value, visible: f.checkVisibility() })));
    for (const [i, { type, name, value, visible }] of asked.entries()) {
      if (!visible || value && type !== "radio") continue;
      const field = fields.nth(i);
      if (type === "url") await field.fill(this.receiver + "/crawled");
      else if (type === "datetime-local" && name === "since" && method === "post") await field.fill("2026-01-01T00:00");
      else if (type === "text" && name === "name") await field.fill("Crawled");
    }
  }

  // send sends the forms of a page that were not sent on a page of its path, up to
  // the first that may have changed the page. Forms that delete are noted for later.
  async send(address, deletes) {
    const here = this.path(address);
    for (const sent of await formsOf(this.view)) {
      const { action, method, inPlace, does, button } = sent;
      const key = `${here} form ${this.kind(action)} ${does} ${button}`;
      if (this.clicked.has(key)) continue;
      if (action.endsWith("/delete") && !deletes) {
        this.deletions.set(key, address);
        continue;
      }
      assert.ok(this.ours(action), `${here}: ${button} sends to ${action}`);
      await this.return(address);
      const now = (await formsOf(this.view)).find((f) => f.action === action && f.does === does && f.button === button);
      if (!now) continue; // what was pending has ended
      this.clicked.add(key);
      const form = this.view.locator("form").nth(now.index);
      await this.fill(form, method);
      const submit = form.locator("button:not([type=button])").first();
      if (this.scripts && inPlace) {
        await submit.click();
        await this.view.locator("[aria-live]:not([aria-busy]) .result").first().waitFor();
        if (await submit.evaluate((b) => b !== document.activeElement)) problems.push(`${here}: ${button} loses the focus`);
        continue;
      }
      if (await this.submit(address, sent, submit)) return;
    }
  }

  // submit sends a form that navigates. It reports whether the form may have changed
  // something.
  async submit(address, { action, method, inPlace, button }, submit) {
    const here = this.path(address);
    const status = await this.act(button, () => submit.click());
    if (status !== 200) problems.push(`${here}: ${button} (${method} ${this.kind(action)}) answers ${status}: ${(await this.text()).slice(0, 300)}`);
    if (!this.ours(this.view.url())) problems.push(`${here}: ${button} leads away, to ${this.view.url()}`);
    // What follows may show what no other page does, and may be loaded again.
    const landed = this.view.url();
    this.enqueue(landed);
    await this.follow(landed);
    if (method === "get") return false;
    if (!this.at(landed)) await this.goTo(landed);
    if (!inPlace) {
      // What is under way may end meanwhile, and its page then says so.
      const pending = await this.view.locator("[data-refresh]").count() > 0, before = await this.heading();
      await this.act("loading it again", () => this.view === this.tab ? this.tab.reload() : this.view.evaluate(() => { location.reload(); }));
      if (!pending && before !== await this.heading()) problems.push(`${here}: ${button}: loading ${this.kind(landed)} again shows something else`);
    }
    this.changed.add(landed).add(address); // there may be other forms now
    return true;
  }

  text() { return this.view.locator("main").innerText(); }

  // heading is the page's, without a state, which may change meanwhile.
  heading() {
    return this.view.evaluate(() => {
      const h1 = document.querySelector("main h1").cloneNode(true);
      for (const badge of h1.querySelectorAll(".badge")) badge.remove();
      return h1.textContent.trim();
    });
  }

  async deleteOne() {
    const [deletion] = this.deletions;
    if (!deletion) return;
    const [key, address] = deletion;
    this.deletions.delete(key);
    if (!this.clicked.has(key) && await this.goTo(address) === 200) await this.send(address, true);
  }

  // lookAtStates looks at pages in states that a tour may not meet: after a mistake,
  // with the answer to a test, and of deliveries with and without what was sent.
  async lookAtStates() {
    for (const below of ["deliveries/msg_failed_0", "deliveries/msg_delivered_0", "nothing", "deliveries?since=soon", "explain?event=party"]) {
      await this.goTo(this.root.href + below);
      await this.lookAt(below);
    }
    await this.goTo(this.root.href + "add");
    await this.view.locator("[name=url]").fill("ftp://10.0.0.1/");
    await this.act("adding", () => this.view.locator("main form button:not([type=button])").click());
    await this.lookAt("errors");
    for (const webhook of [...this.good].filter((address) => this.path(address) === "webhooks/{id}")) {
      if (await this.goTo(webhook) !== 200) continue; // it was deleted
      await this.view.locator("#test form button:not([type=button])").first().click();
      await this.view.locator(".result").waitFor();
      await this.lookAt("tested");
      return;
    }
    problems.push("no webhook could be tested");
  }

  // audit has axe look at one page of each path: the last, which has a query or was
  // changed.
  async audit() {
    const last = new Map([...this.looked.values()].map((address) => [this.path(address), address]));
    for (const [path, address] of this.schemes ? last : []) {
      if (await this.goTo(address) !== 200) continue; // it was deleted
      await openAll(this.view);
      for (const colorScheme of this.schemes) {
        await this.tab.emulateMedia({ colorScheme });
        await resize(this.tab, this.view, colorScheme === "dark" ? 390 : 1280);
        const look = () => accessible(this.view, `${path}, ${colorScheme}`, colorScheme === "dark");
        await (this.scripts ? look() : withScripts(this.view, look));
      }
    }
  }
};
