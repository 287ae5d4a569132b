// Looks at the page in other languages: texts that are longer, and texts that are
// written from right to left.
"use strict";
const assert = require("node:assert/strict");
const { launch, open, accessible, layout, picture, problems } = require("./browser.js");

const [base, receiver, executablePath, screenshots] = process.argv.slice(2);

// english are the words on the page that are not translated in the pseudo-language,
// whose texts stand in brackets.
const english = (page) => page.evaluate(() => {
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (parent.closest("bdi, code, pre, .url, .secret, time, script, style, textarea, .badge, select[name=list], select[name=webhook]")) continue;
    const block = parent.closest("p, li, dt, dd, th, td, h1, h2, h3, label, legend, summary, option, figcaption, title") ?? parent;
    if (/[a-z]{3}/i.test(node.data) && !/[[\]]/.test(block.textContent)) found.add(node.data.trim());
  }
  for (const element of document.querySelectorAll("[title], [aria-label], [data-label], [placeholder]")) {
    for (const name of ["aria-label", "data-label", "placeholder"]) {
      const value = element.getAttribute(name);
      if (value && /[a-z]{3}/i.test(value) && !value.startsWith("[") && value !== "https://") found.add(`${name}: ${value}`);
    }
  }
  return [...found];
});

(async () => {
  const browser = await launch(executablePath);
  const plain = await open(browser, {});
  await plain.goto(base + "/");
  const webhooks = await plain.locator("th .name").evaluateAll((all) => all.map((a) => a.href.split("/").pop()));
  assert.ok(webhooks.length >= 6);
  await plain.goto(base + "/operator");
  const operated = await plain.locator("th a").first().getAttribute("href");

  const addresses = ["/", "/add", "/deliveries", "/deliveries?since=soon", "/explain?event=open&source=public", "/samples?format=current", "/verify", "/operator", "/operator?search=crm",
    "/" + operated.replace("./", ""), "/deliveries/msg_failed_0", "/deliveries/msg_delivered_0", "/nothing"];
  for (const id of webhooks) addresses.push(`/webhooks/${id}`);
  for (const action of ["edit", "payload", "off", "delete", "resend"]) addresses.push(`/webhooks/${webhooks[0]}/${action}`);
  addresses.push(`/webhooks/${webhooks[4]}/on`);

  for (const locale of ["en-XA", "ar", "de", "es"]) {
    const page = await open(browser, { extraHTTPHeaders: { "X-Locale": locale } });
    const look = async (name) => {
      for (const width of locale === "en-XA" || locale === "ar" ? [390, 800, 1024, 1280] : [390, 1280]) {
        await page.setViewportSize({ width, height: 900 });
        await page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });
        for (const problem of await layout(page)) problems.push(`${locale} ${name} at ${width} px: ${problem}`);
        await picture(page, screenshots, `${locale}-${name || "overview"}-${width}`);
      }
      await accessible(page, `${locale} ${name}`);
      if (locale === "en-XA") for (const word of await english(page)) problems.push(`${name}: "${word}" is not translated`);
    };
    for (const address of addresses) {
      const response = await page.goto(base + address);
      assert.equal(response.headers()["content-language"], locale.toLowerCase());
      const { lang, dir } = await page.evaluate(() => ({ lang: document.documentElement.lang, dir: document.documentElement.dir }));
      assert.deepEqual([lang, dir], [locale.toLowerCase(), locale === "ar" ? "rtl" : "ltr"]);
      await look(address.slice(1).replace(/^webhooks\/[^/]+/, (all) => `webhooks-${webhooks.indexOf(all.split("/")[1])}`));
      if (problems.length > 30) break;
    }
    await page.goto(base + "/add");
    await page.locator("[name=url]").fill("ftp://10.0.0.1/");
    await page.locator("main form button:not([type=button])").click();
    await look("errors");
    await page.goto(`${base}/webhooks/${webhooks[0]}`);
    await page.locator("#test button").click();
    await page.locator(".result").waitFor();
    await look("tested");
  }
  await browser.close();
  assert.deepEqual(problems, []);
})().catch((error) => { console.error(error); process.exit(1); });
