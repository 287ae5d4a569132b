// Uses the page in a real browser as its visitors do, with scripts and
// without, and checks its accessibility at two widths and in two colours.
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [base, receiver, executablePath, screenshots] = process.argv.slice(2);
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const problems = [];

async function open(browser, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused/.test(message.text())) problems.push(message.text());
  });
  return page;
}

// look checks what a page looks like to people and to their tools.
async function look(page, name) {
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (sideways > 0) problems.push(`${name} is ${sideways} px too wide`);
  if (screenshots) await page.screenshot({ path: path.join(screenshots, `${name.replace(/\W+/g, "-")}.png`), fullPage: true });
  await page.evaluate(axe);
  const result = await page.evaluate(() => axe.run({
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"],
  }));
  assert.ok(result.passes.length > 10, "axe looked at the page");
  for (const v of result.violations) {
    problems.push(`${name}: ${v.id}: ${v.help}: ${v.nodes.map((node) => node.target.join(" ")).slice(0, 4).join(", ")}`);
  }
}

const text = (page, selector) => page.locator(selector).first().innerText();

// visit adds a webhook, tests it, switches it off and on, and deletes it.
async function visit(page, scripts) {
  await page.goto(base + "/");
  await page.getByRole("link", { name: "Add your first webhook" }).click();
  await page.getByLabel("URL").fill("http://192.168.0.1/hook");
  await page.getByRole("button", { name: "Add the webhook" }).click();
  assert.match(await text(page, "#Name-error"), /empty/);
  await page.getByLabel("Name").fill("Shop <b>sync</b>");
  await page.getByRole("button", { name: "Add the webhook" }).click();
  assert.match(await text(page, "#URL-error"), /address/i);
  assert.equal(await page.getByLabel("Name").inputValue(), "Shop <b>sync</b>", "what was typed is still there");

  await page.getByLabel("URL").fill(receiver + "/hook.php?key=1");
  await page.getByLabel("List").selectOption("Newsletter");
  await page.getByLabel("Campaign Forwarded").uncheck();
  await page.getByLabel("By system processes").uncheck();
  await page.getByRole("button", { name: "Add the webhook" }).click();
  assert.match(await text(page, "#key"), /^whsec_/);
  const secret = await text(page, "#key");
  await page.reload();
  assert.equal(await text(page, "#key"), secret, "loading the page again shows it again, and adds nothing");
  await page.getByRole("link", { name: "Send a test" }).click();
  assert.equal(await text(page, "h1 bdi"), "Shop <b>sync</b>");

  const before = page.url();
  await page.getByLabel("Event", { exact: true }).selectOption("Link Clicked");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator(".result").waitFor();
  assert.match(await text(page, ".result"), /Link Clicked: it works\./);
  assert.match(await page.locator(".result").textContent(), /<b>Thank you<\/b> for click/);
  if (scripts) assert.equal(page.url(), before, "the answer appears in its place");

  await page.getByRole("link", { name: "Overview" }).click();
  const row = page.getByRole("row", { name: /Shop/ });
  assert.match(await row.innerText(), /Newsletter/);
  await row.getByRole("link", { name: /^Edit/ }).click();
  assert.equal(await page.getByLabel("Campaign Forwarded").isChecked(), false);
  assert.equal(await page.getByLabel("Campaign Opened").isChecked(), true);
  if (scripts) {
    await page.getByRole("button", { name: "all", exact: true }).first().click();
    assert.equal(await page.getByLabel("Campaign Forwarded").isChecked(), true);
  }
  await page.getByLabel("Name").fill("Shop");
  await page.getByRole("button", { name: "Save" }).click();
  assert.equal(await text(page, ".notice"), "The webhook was saved.");

  await page.getByRole("link", { name: "Switch off" }).click();
  await page.getByLabel(/Keep them/).check();
  await page.getByLabel(/^Why/).fill("Stocktaking");
  await page.getByRole("button", { name: "Switch it off" }).click();
  assert.match(await text(page, "main"), /Stocktaking/);
  await page.getByRole("button", { name: "Switch on" }).click();
  assert.equal(await text(page, ".notice"), "The webhook is on.");
  await page.getByRole("button", { name: "Replace the secret" }).click();
  assert.match(await text(page, "#key"), /^whsec_/);

  await page.goto(base + "/");
  await page.getByRole("link", { name: "Delete Shop" }).click();
  assert.match(await text(page, "form"), /Nothing is pending/);
  await page.getByRole("button", { name: "Delete the webhook" }).click();
  assert.equal(await text(page, ".notice"), "The webhook was deleted.");
}

// follow goes from a failure in the log to sending it again.
async function follow(page) {
  await page.goto(base + "/deliveries");
  await page.getByLabel("State").selectOption("Pending");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("row").nth(1).getByRole("link").click();
  assert.match(await text(page, ".attempts"), /The receiver failed \(500 Internal Server Error\)/);
  await page.getByText("The request as it goes over the wire").click();
  assert.match(await page.locator("pre").last().innerText(), /^POST \/flaky HTTP\/1\.1\nHost: /);
  await page.getByRole("button", { name: "Try now" }).click();
  assert.equal(await text(page, ".notice"), "The delivery is under way again.");
}

// pause switches a webhook off and on, and drops what it kept meanwhile.
async function pause(page) {
  await page.goto(base + "/");
  await page.getByRole("link", { name: "CRM", exact: true }).click();
  await page.getByRole("link", { name: "Switch off" }).click();
  await page.getByLabel(/Keep them/).check();
  await page.getByRole("button", { name: "Switch it off" }).click();
  await page.getByRole("link", { name: "Switch on" }).click();
  assert.match(await text(page, "legend"), /kept meanwhile: 1 event$/);
  await look(page, "on");
  await page.getByLabel(/Drop them/).check();
  await page.getByRole("button", { name: "Switch it on" }).click();
  assert.match(await text(page, ".notice"), /dropped/);
  assert.match(await text(page, "main"), /Canceled/i);
}

// operate switches a webhook off and on as the operator of all accounts.
async function operate(page) {
  await page.goto(base + "/operator");
  await page.getByRole("link", { name: "Flaky", exact: true }).click();
  await page.getByLabel(/^Why/).fill("Too slow");
  await page.getByLabel(/^Why/).press("Enter");
  assert.match(await text(page, ".notice"), /Too slow/);
  await page.getByLabel(/Send them/).check();
  await page.getByRole("button", { name: "Switch it on" }).click();
  await page.getByRole("button", { name: "Switch it off" }).waitFor();
}

async function keyboard(page) {
  await page.goto(base + "/");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Add a webhook");
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
}

(async () => {
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const fresh = (name) => ({ extraHTTPHeaders: { "X-Account": name } });
  await visit(await open(browser, fresh("scripts")), true);
  await visit(await open(browser, { ...fresh("plain"), javaScriptEnabled: false }), false);
  const page = await open(browser, {});
  await follow(page);
  await pause(page);
  await operate(page);
  await keyboard(page);

  await page.goto(base + "/");
  const hook = await page.getByRole("link", { name: "Flaky", exact: true }).getAttribute("href");
  await page.goto(base + "/deliveries?state=pending");
  const delivery = await page.getByRole("row").nth(1).getByRole("link").getAttribute("href");
  const id = hook.split("/").pop();
  const pages = {
    overview: "", webhook: hook, add: "add", edit: `${hook}/edit`, delete: `${hook}/delete`, off: `${hook}/off`, resend: `${hook}/resend`,
    log: "deliveries", delivery, explain: "explain?event=open&source=public&list=12", samples: "samples",
    operator: "operator", "operator webhook": `operator/webhook?account=acme&id=${id}`, error: "nothing",
  };
  for (const [screen, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]]) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(browser, { viewport, colorScheme });
      for (const [name, address] of Object.entries(pages)) {
        await page.goto(new URL(address, base + "/").href);
        await look(page, `${name} ${screen} ${colorScheme}`);
      }
      await page.goto(base + "/add");
      await page.getByLabel("Campaign Opened").uncheck();
      await page.getByRole("button", { name: "Add the webhook" }).click();
      await page.locator("#Name-error").waitFor();
      await look(page, `errors ${screen} ${colorScheme}`);
      await page.context().close();
    }
  }
  await browser.close();
  assert.deepEqual(problems, []);
})().catch((error) => { console.error(error); process.exit(1); });
