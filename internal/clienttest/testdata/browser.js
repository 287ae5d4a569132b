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
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// open returns a page that notes what its console and its scripts complain of.
exports.open = async (browser, options) => {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (error) => problems.push(`${page.url()}: script: ${error.message}`));
  page.on("console", (message) => {
    // What answers with a status on purpose is looked at by those who ask.
    if (message.type() === "error" && !/status of 4(01|04|09|22)/.test(message.text())) problems.push(`${page.url()}: console: ${message.text()}`);
  });
  return page;
};

// accessible notes what axe finds.
exports.accessible = async (page, name) => {
  await page.evaluate(axe);
  const result = await page.evaluate(() => axe.run({
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"],
  }));
  if (result.passes.length < 10) problems.push(`${name}: axe looked at next to nothing`);
  for (const v of result.violations) {
    problems.push(`${name}: ${v.id}: ${v.help}: ${v.nodes.map((node) => node.target.join(" ")).slice(0, 4).join(", ")}`);
  }
};

exports.picture = async (page, folder, name) => {
  if (folder) await page.screenshot({ path: path.join(folder, `${name.replace(/[^\w-]+/g, "-")}.png`), fullPage: true });
};

// layout returns what is cut off or overlaps at the page's width: boxes of texts
// and controls are compared with the window, with what clips or scrolls them,
// and with each other.
exports.layout = (page) => page.evaluate(() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth - root.clientWidth} px wider than the window`);

  const name = (element) => {
    const own = element.tagName.toLowerCase() + (element.className && typeof element.className === "string" ? "." + element.className.trim().replaceAll(" ", ".") : "");
    return `${own} "${element.textContent.trim().replace(/\s+/g, " ").slice(0, 40)}"`;
  };
  const hidden = (element) => {
    if (!element.checkVisibility({ visibilityProperty: true })) return true;
    for (let e = element; e; e = e.parentElement) {
      if (getComputedStyle(e).clipPath !== "none" || e.classList.contains("skip")) return true;
    }
    return false;
  };
  // clips are those from e upward that cut off what is beyond their boxes.
  const clips = (e) => {
    const all = [];
    for (; e && e !== document.body; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (style.overflowX !== "visible" || style.overflowY !== "visible") all.push([e, style]);
    }
    return all;
  };

  const boxes = [];
  const add = (element, rect, what, holder) => {
    let { left, right, top, bottom } = rect;
    if (right - left < 1 || bottom - top < 1) return;
    for (const [clip, style] of clips(holder)) {
      const at = clip.getBoundingClientRect();
      const sideways = /auto|scroll/.test(style.overflowX), upright = /auto|scroll/.test(style.overflowY);
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
