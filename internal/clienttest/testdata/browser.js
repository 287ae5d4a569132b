// What the tests in a browser share: opening pages, and looking at them as
// people and their tools do.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
exports.problems = [];
const { problems } = exports;

exports.launch = (executablePath) => chromium.launch({
  executablePath,
  // Debian has graphics processors paint pages, and without one there is an emulator.
  args: ["--no-sandbox", "--disable-gpu", "--disable-gpu-rasterization", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// Errors of the console that are none: what answers with a status on purpose is
// looked at by those who ask, and a page in a frame of another site may not take
// the focus from it, nor write to the clipboard: copy buttons then select the text.
const expected = /status of 4(01|04|09|22)|The Clipboard API has been blocked because of a permissions policy|Blocked autofocusing on a <\w+> element in a cross-origin subframe/;

// open returns a page that notes what its console and its scripts complain of.
exports.open = async (browser, options) => {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(hang);
  page.on("pageerror", (error) => problems.push(`${page.url()}: script: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !expected.test(message.text())) problems.push(`${page.url()}: console: ${message.text()}`);
  });
  return page;
};

// withScripts does something for which timers have to run in a page or a frame whose
// scripts are disabled. The page's own scripts do not run: it was loaded before.
exports.withScripts = async (view, doing) => {
  const page = view.page?.() ?? view;
  const session = await page.context().newCDPSession(view).catch(() => page.context().newCDPSession(page)); // not every frame has a process of its own
  const disable = (value) => session.send("Emulation.setScriptExecutionDisabled", { value });
  await disable(true); // it is, but a session knows only what it did itself
  await disable(false);
  await doing();
  await disable(true);
};

// hang is how long something may take, on a machine that is ever so busy.
const hang = 5 * 60000;

// orHang fails if a promise of a page's takes too long: nothing else would end it.
const orHang = async (promise, what) => {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${what} does not end`)), hang); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
};

// accessible notes what axe finds. Again says that it looked at the page before, in
// other colours or at another width: then it tries the rules that depend on these.
exports.accessible = async (page, name, again) => {
  if (!await page.evaluate(() => "axe" in window)) await page.evaluate(axe);
  const result = await orHang(page.evaluate((again) => axe.run({
    runOnly: again ? ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
      : ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    resultTypes: ["violations"],
  }), again), `${name}: axe`);
  if (result.passes.length < (again ? 1 : 10)) problems.push(`${name}: axe looked at next to nothing`);
  for (const v of result.violations) {
    problems.push(`${name}: ${v.id}: ${v.help}: ${v.nodes.map((node) => node.target.join(" ")).slice(0, 4).join(", ")}`);
  }
};

// openAll opens what is folded.
exports.openAll = (page) => page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });

const picture = async (page, folder, name) => {
  if (folder) await page.screenshot({ path: path.join(folder, `${name.replace(/[^\w-]+/g, "-")}.png`), fullPage: true });
};

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// resize gives a window a width and waits until what it shows has it: a frame of
// another site is in a process of its own, which learns of the width later. It asks
// the frame rather than waiting in it, since nothing can be waited for where scripts
// are disabled.
exports.resize = async (tab, view, width) => {
  await tab.setViewportSize({ width, height: 900 });
  let is;
  for (let tries = 0; tries < 3000; tries++) {
    is = await orHang(view.evaluate(() => innerWidth), "reading a width");
    if (is === width) return;
    await pause(20);
  }
  throw new Error(`the window is ${width} px wide, but after a minute ${view.url()} in it is ${is} px wide`);
};

// layouts notes what layout finds at some widths, in a tab or in the frame that
// fills it. With a folder it leaves pictures there.
exports.layouts = async (tab, view, widths, name, folder) => {
  const { width: before } = tab.viewportSize();
  for (const width of widths) {
    await exports.resize(tab, view, width);
    for (const problem of await layout(view)) problems.push(`${name} at ${width} px: ${problem}`);
    await picture(tab, folder, `${name}-${width}`);
  }
  await exports.resize(tab, view, before);
};

// untranslated returns the words that are not translated in the pseudo-language,
// whose texts stand in brackets.
exports.untranslated = (page) => page.evaluate(() => {
  const found = new Set();
  const walker = document.createTreeWalker(document.querySelector(".listhook"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (parent.closest("bdi, code, pre, .url, .secret, time, script, style, textarea, .badge, select[name=list], select[name=webhook]")) continue;
    const block = parent.closest("p, li, dt, dd, th, td, h1, h2, h3, label, legend, summary, option, figcaption, title") ?? parent;
    if (/^\d\d:\d\d [A-Z]+$/.test(node.data.trim())) continue; // a time and its zone
    if (/[a-z]{3}/i.test(node.data) && !/[[\]]/.test(block.textContent)) found.add(node.data.trim());
  }
  for (const element of document.querySelectorAll(".listhook :is([aria-label], [data-label], [placeholder])")) {
    for (const name of ["aria-label", "data-label", "placeholder"]) {
      const value = element.getAttribute(name);
      if (value && /[a-z]{3}/i.test(value) && !value.startsWith("[") && value !== "https://") found.add(`${name}: ${value}`);
    }
  }
  return [...found];
});

// layout returns what is cut off or overlaps at the page's width: boxes of texts
// and controls are compared with the window, with what clips or scrolls them,
// and with each other.
const layout = (page) => page.evaluate(() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth - root.clientWidth} px wider than the window`);

  // once keeps what a function of an element returned.
  const once = (f) => {
    const known = new Map();
    return (e) => {
      if (!known.has(e)) known.set(e, f(e));
      return known.get(e);
    };
  };
  const name = once((element) => {
    const own = element.tagName.toLowerCase() + (element.className && typeof element.className === "string" ? "." + element.className.trim().replaceAll(" ", ".") : "");
    return `${own} "${element.textContent.trim().replace(/\s+/g, " ").slice(0, 40)}"`;
  });
  const clipped = once((e) => e !== null && (getComputedStyle(e).clipPath !== "none" || e.classList.contains("skip") || clipped(e.parentElement)));
  const hidden = once((e) => !e.checkVisibility({ visibilityProperty: true }) || clipped(e));
  // clips are those from e upward that cut off what is beyond their boxes: each with
  // its box, and whether it scrolls.
  const clips = once((e) => {
    if (!e || e === document.body) return [];
    const { overflowX, overflowY } = getComputedStyle(e), above = clips(e.parentElement);
    if (overflowX === "visible" && overflowY === "visible") return above;
    const scrolls = (overflow) => /auto|scroll/.test(overflow);
    return [{ clip: e, at: e.getBoundingClientRect(), sideways: scrolls(overflowX), upright: scrolls(overflowY) }, ...above];
  });

  const boxes = [];
  const add = (element, rect, what, holder) => {
    let { left, right, top, bottom } = rect;
    if (right - left < 1 || bottom - top < 1) return;
    for (const { clip, at, sideways, upright } of clips(holder)) {
      if (!sideways && (left < at.left - 1 || right > at.right + 1) || !upright && (top < at.top - 1 || bottom > at.bottom + 1)) {
        found.push(`${what} is cut off by ${name(clip)}`);
      }
      left = Math.max(left, at.left); right = Math.min(right, at.right);
      top = Math.max(top, at.top); bottom = Math.min(bottom, at.bottom);
    }
    if (right - left < 1 || bottom - top < 1) return; // scrolled out of sight
    if (left < -1 || right > root.clientWidth + 1) found.push(`${what} is beyond the window's edge`);
    boxes.push({ element, left, right, top, bottom, what });
  };

  for (const control of document.querySelectorAll("button, input, select, textarea, a.button, .badge, svg, pre")) {
    if (!hidden(control)) add(control, control.getBoundingClientRect(), name(control), control.parentElement);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest("svg, option, script, style") || hidden(parent)) continue;
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) add(parent, rect, name(parent), parent);
  }
  // A control that its own text does not fit into.
  for (const element of document.querySelectorAll("button, a.button, .badge, th, td, .chips li, dt, dd, h1, h2")) {
    if (!hidden(element) && element.clientWidth && element.scrollWidth > element.clientWidth + 1) found.push(`the text of ${name(element)} does not fit`);
  }

  // A row of a table, which is as short as its texts are.
  for (const row of document.querySelectorAll("tr")) {
    const { height } = row.getBoundingClientRect();
    if (!hidden(row) && height > 900) found.push(`${name(row)} is ${Math.round(height)} px high`);
  }

  boxes.sort((a, b) => a.top - b.top);
  for (let i = 0; i < boxes.length; i++) {
    const a = boxes[i];
    for (let j = i + 1; j < boxes.length && boxes[j].top < a.bottom - 3; j++) {
      const b = boxes[j];
      if (a.element === b.element || a.element.contains(b.element) || b.element.contains(a.element)) continue;
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - b.top > 3) found.push(`${a.what} overlaps ${b.what}`);
    }
  }
  return [...new Set(found)];
});
