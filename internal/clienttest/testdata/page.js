// Uses the page in a real browser as its visitors do, with scripts and without,
// step by step. crawl.js follows what this does not.
"use strict";
const assert = require("node:assert/strict");
const { launch, open, openAll, accessible, layouts, problems } = require("./browser.js");

const [base, receiver, executablePath, screenshots] = process.argv.slice(2);

// look looks at a page that has no address of its own.
async function look(page, name) {
  await layouts(page, page, [390, 800, 1024, 1280], name, screenshots);
  await accessible(page, name);
}

const text = (page, selector) => page.locator(selector).first().innerText();

// visit adds a webhook, tests it, switches it off and on, and deletes it.
async function visit(page, scripts) {
  await page.goto(base + "/");
  await page.getByRole("link", { name: "Add your first webhook" }).click();
  await page.getByLabel("URL").fill("http://192.168.0.1/hook");
  await page.getByRole("button", { name: "Add webhook" }).click();
  assert.match(await text(page, "#Name-error"), /Enter a name/);
  if (scripts) await look(page, "errors");
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Correct these fields/, "who cannot see it is told");
  await page.getByLabel("Name").fill("Shop <b>sync</b>");
  await page.getByRole("button", { name: "Add webhook" }).click();
  assert.match(await text(page, "#URL-error"), /address/i);
  assert.equal(await page.getByLabel("Name").inputValue(), "Shop <b>sync</b>", "what was typed is still there");

  await page.getByLabel("URL").fill(receiver + "/hook.php?key=1");
  await page.getByLabel("List").selectOption("Newsletter");
  await page.getByLabel("Campaign Forwarded").uncheck();
  await page.getByLabel("System processes").uncheck();
  await page.getByRole("button", { name: "Add webhook" }).click();
  assert.match(await text(page, "#key"), /^whsec_/);
  const secret = await text(page, "#key");
  await page.reload();
  assert.equal(await text(page, "#key"), secret, "loading the page again shows it again, and adds nothing");
  await page.getByRole("link", { name: "Send a test event" }).click();
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
    await page.getByRole("button", { name: "Select all", exact: true }).first().click();
    assert.equal(await page.getByLabel("Campaign Forwarded").isChecked(), true);
  }
  await page.getByLabel("Name").fill("Shop");
  await page.getByRole("button", { name: "Save" }).click();
  assert.equal(await text(page, ".notice"), "The webhook was saved.");

  await page.getByRole("link", { name: "Switch off" }).click();
  await page.getByLabel(/Keep them/).check();
  await page.getByLabel(/^Reason/).fill("Stocktaking");
  await page.getByRole("button", { name: "Switch off" }).click();
  assert.match(await text(page, "main"), /Stocktaking/);
  await page.getByRole("button", { name: "Switch on" }).click();
  assert.equal(await text(page, ".notice"), "The webhook is on.");
  await page.getByRole("button", { name: "Replace the secret" }).click();
  assert.match(await text(page, "#key"), /^whsec_/);

  await page.goto(base + "/");
  await page.getByRole("link", { name: "Delete Shop" }).click();
  assert.match(await text(page, "form"), /No delivery is pending/);
  await page.getByRole("button", { name: "Delete webhook" }).click();
  assert.equal(await text(page, ".notice"), "The webhook was deleted.");
}

// follow goes from a failure in the log to sending it again.
async function follow(page) {
  await page.goto(base + "/deliveries");
  await page.getByLabel("State").selectOption("Pending");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("row").nth(1).getByRole("link").click();
  assert.match(await text(page, ".attempts"), /The receiver failed \(500 Internal Server Error\)/);
  await page.getByText("As a cURL command").click();
  assert.match(await page.locator("#curl").innerText(), /^curl 'http:\/\/127/);
  await page.getByText("Raw request").click();
  assert.match(await page.locator("#raw").innerText(), /^POST \/flaky HTTP\/1\.1\nHost: /);
  await page.getByRole("button", { name: "Send now" }).click();
  assert.equal(await text(page, ".notice"), "The delivery is being sent again.");
}

// copy takes a command, a body and an ID from a delivery's page, by buttons with scripts
// and by selecting the text without.
async function copy(page, scripts) {
  await page.goto(base + "/deliveries?state=pending");
  await page.getByRole("row").nth(1).getByRole("link").click();
  await page.getByRole("heading", { name: "Attempts" }).waitFor();
  await openAll(page);
  const buttons = page.locator("[data-copy]:visible");
  assert.equal(await buttons.count() > 0, scripts, "buttons are shown to those who have scripts");
  if (scripts) await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  for (const id of ["curl", "body", "delivery-id"]) {
    const want = await page.locator(`#${id}`).textContent();
    if (scripts) {
      await page.locator(`[data-copy="${id}"]`).click();
      await page.locator(`[data-copy="${id}"]`).getByText("Copied").waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), want);
    } else {
      if (id === "delivery-id") await page.locator(`#${id}`).click(); // which selects it all
      else await page.locator(`#${id}`).selectText();
      assert.equal((await page.evaluate(() => getSelection().toString())).trim(), want.trim(), id);
    }
  }
  if (scripts) return;
  const address = page.url();
  await page.getByRole("link", { name: "Refresh" }).click();
  await page.waitForURL(address);
}

// search looks for a person in the log.
async function search(page, scripts) {
  await page.goto(base + "/deliveries");
  await page.getByLabel("Search for", { exact: true }).selectOption("Subscriber: email or ID");
  await page.getByLabel("What to search for").fill("TEST@test.com");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL(/about=/);
  assert.doesNotMatch(page.url(), /@|%40|test\.com/i, "the address of the page says nobody's address");
  assert.equal(await text(page, ".who"), "test@test.com");
  assert.equal(await page.getByLabel("What to search for").inputValue(), "test@test.com");
  await page.reload();
  assert.equal(await text(page, ".who"), "test@test.com");
  if (scripts) await look(page, "search");
  await page.getByLabel("What to search for").fill("nobody@test.com");
  await page.getByLabel("What to search for").press("Enter");
  await page.getByText("No deliveries match these filters.").waitFor();
}

// resend has everything sent again that waits, and looks at how far it has come.
async function resend(page, scripts) {
  await page.goto(base + "/");
  await page.getByRole("link", { name: "Flaky", exact: true }).click();
  await page.getByRole("link", { name: "Send all pending now" }).click();
  assert.match(await text(page, "#counted"), /^\d+ deliver(y matches|ies match)$/);
  if (scripts) await look(page, "counted");
  await page.getByRole("button", { name: "Resend", exact: true }).click();
  await page.waitForURL(/\/resent$/);
  if (scripts) await look(page, "resent");
  while (await page.getByRole("link", { name: "Refresh" }).count() > 0) {
    await page.waitForTimeout(100);
    await page.reload();
  }
  assert.match(await text(page, "main"), /(was|were) or will be resent/);
}

// pause switches a webhook off and on, and drops what it kept meanwhile.
async function pause(page) {
  await page.goto(base + "/");
  await page.getByRole("link", { name: "CRM", exact: true }).click();
  await page.getByRole("link", { name: "Switch off" }).click();
  await page.getByLabel(/Keep them/).check();
  await page.getByRole("button", { name: "Switch off" }).click();
  await page.getByRole("link", { name: "Switch on" }).click();
  assert.match(await text(page, "legend"), /^1 event was kept while it was off$/);
  await look(page, "on");
  await page.getByLabel(/Discard them/).check();
  await page.getByRole("button", { name: "Switch on" }).click();
  assert.match(await text(page, ".notice"), /discarded/);
  assert.match(await text(page, "main"), /Canceled/i);
}

// operate switches a webhook off and on as the operator of all accounts.
async function operate(page) {
  await page.goto(base + "/operator");
  await page.getByRole("link", { name: "Flaky", exact: true }).click();
  await page.getByLabel(/^Reason/).fill("Too slow");
  await page.getByLabel(/^Reason/).press("Enter");
  assert.match(await text(page, ".notice"), /Too slow/);
  await page.getByLabel(/Send them/).check();
  await page.getByRole("button", { name: "Switch on" }).click();
  await page.getByRole("button", { name: "Switch off" }).waitFor();
}

async function keyboard(page) {
  await page.goto(base + "/");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Add a webhook");
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
}

// focus looks at where the focus is after errors, and at what groups are called.
async function focus(page) {
  // A browser moves the focus some time after a page has loaded.
  const focused = (want) => page.waitForFunction((want) => {
    const { id, textContent } = document.activeElement;
    return id ? id === want : textContent.trim().includes(want);
  }, want);
  await page.goto(base + "/add");
  for (const name of ["Events", "Triggered by", "Format"]) assert.equal(await page.getByRole("group", { name, exact: true }).count(), 1, name);
  assert.equal(await page.getByRole("group", { name: "Events", exact: true }).getByRole("button").textContent(), "Select none");

  await page.goto(base + "/deliveries");
  await page.getByLabel("State").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await focused("state"); // an arrow chooses, and sends nothing
  assert.equal(page.url(), base + "/deliveries");
  await page.goto(base + "/deliveries?since=soon");
  await focused("since");
  await page.goto(base + "/");
  await page.getByRole("link", { name: "Flaky", exact: true }).click();
  await page.getByRole("link", { name: "Resend" }).click();
  await page.getByLabel("Failed deliveries").uncheck();
  await page.getByRole("button", { name: "Count deliveries" }).click();
  await focused("Nothing has been resent yet");
  await page.goto(base + "/deliveries");
  await page.getByLabel("Status or reason").fill("bad luck");
  await page.getByRole("button", { name: "Filter" }).click();
  await focused("reason");
  await page.goto(base + "/explain?event=party");
  await focused("There is no such event");
}

// conflict has two people edit a webhook at the same time.
async function conflict(page) {
  await page.goto(base + "/");
  await page.getByRole("link", { name: "Edit CRM" }).click();
  await page.waitForURL(/\/edit$/);
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByLabel("Name").fill("Till");
  await other.getByLabel("Campaign Shared").check();
  await other.getByRole("button", { name: "Save" }).click();
  await other.waitForURL(/done=saved/);
  await other.close();

  await page.getByLabel("Name").fill("Shop");
  await page.getByLabel("Headers").fill("X-Shop: 8");
  await page.getByRole("button", { name: "Save" }).click();
  assert.match(await text(page, ".notice"), /Somebody else changed this webhook in the meantime/);
  await look(page, "conflict");
  const group = (name) => page.getByRole("group", { name });
  assert.equal(await group("Events").getByLabel("Saved now").isChecked(), true, "only the other changed it");
  assert.equal(await group("Headers").getByLabel("Your change").isChecked(), true, "only this form changes it");
  await page.getByRole("button", { name: "Save" }).click();
  assert.equal(await page.getByRole("button", { name: "Save" }).count(), 1, "the browser asks for the name's choice");
  await group("Name").getByLabel("Your change").check();
  await page.getByRole("button", { name: "Save" }).click();
  assert.equal(await text(page, ".notice"), "The webhook was saved.");
  assert.equal(await text(page, "h1 bdi"), "Shop");
  assert.match(await text(page, ".facts"), /Campaign Shared/);
  assert.match(await text(page, ".facts"), /X-Shop/);
}

// session has a session end in the middle of a form.
async function session(page, scripts) {
  const end = () => page.request.get(new URL("/logout", base).href);
  await page.goto(base + "/add");
  await page.getByLabel("Name").fill("Kept <b>name</b>");
  await page.getByLabel("URL").fill(receiver + "/kept");
  await page.getByLabel("Link Clicked").uncheck();
  await end();
  await page.getByRole("button", { name: "Add webhook" }).click();
  assert.match(await text(page, "main"), /this page keeps what you entered/);
  if (scripts) await look(page, "login");
  await page.getByRole("button", { name: "Send again" }).click();
  assert.match(await text(page, "main"), /this page keeps what you entered/, "still without a session");
  const [login] = await Promise.all([page.waitForEvent("popup"), page.getByRole("link", { name: "Log in in a new tab" }).click()]);
  await login.getByRole("heading", { name: "You are logged in" }).waitFor();
  if (scripts) await look(login, "resume");
  assert.equal(await login.getByRole("link", { name: "Overview" }).evaluate((a) => a.href), base + "/");
  await login.close();
  await page.getByRole("button", { name: "Send again" }).click();
  assert.match(await text(page, "#key"), /^whsec_/);
  await page.getByRole("link", { name: "Send a test event" }).click();
  assert.equal(await text(page, "h1 bdi"), "Kept <b>name</b>");
  assert.doesNotMatch(await text(page, ".facts"), /Link Clicked/);

  await end();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("Log in in a new tab").waitFor();
  await end();
  await page.goto(base + "/deliveries?state=failed");
  assert.equal(page.url(), base + "/deliveries?state=failed", "the login leads back");
}

// gone has a webhook deleted while somebody looks at it.
async function gone(page) {
  await page.goto(base + "/");
  await page.getByRole("link", { name: "Flaky", exact: true }).click();
  await page.getByRole("heading", { name: "Send a test event" }).waitFor();
  await page.request.post(page.url() + "/delete");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const link = page.locator("#test").getByRole("link", { name: "All webhooks" });
  assert.equal(await link.evaluate((a) => a.href), base + "/", "what stands in another page's place leads to where it did");
}

(async () => {
  const browser = await launch(executablePath);
  const fresh = (name) => ({ extraHTTPHeaders: { "X-Account": name } });
  const scripted = await open(browser, fresh("scripts"));
  await visit(scripted, true);
  await session(scripted, true);
  const plain = await open(browser, { ...fresh("plain"), javaScriptEnabled: false });
  await visit(plain, false);
  await session(plain, false);
  const page = await open(browser, {});
  await search(page, true);
  await resend(page, true);
  await copy(page, true);
  await follow(page);
  const still = await open(browser, { javaScriptEnabled: false });
  await search(still, false);
  await resend(still, false);
  await copy(still, false);
  await pause(page);
  await operate(page);
  await conflict(page);
  await keyboard(page);
  await focus(page);
  await gone(page);
  await browser.close();
  assert.deepEqual(problems, []);
})().catch((error) => { console.error(error); process.exit(1); });
