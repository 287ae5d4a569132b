// Makes every webhook call of ActiveCampaign's own client against an account,
// in the ways that its users write them.
"use strict";
const assert = require("node:assert/strict");
const ActiveCampaign = require("activecampaign");

const [base, key, listID] = process.argv.slice(2);

(async () => {
  const ac = new ActiveCampaign(base, key);
  const credentials = await ac.credentials_test();
  assert.equal(credentials.success, 1);
  assert.equal(credentials.email, "ann@example.com");

  // How people pick a list, and other tests of a connection.
  const lists = await ac.api("list/list?ids=all", {});
  assert.equal(lists.success, 1);
  assert.deepEqual([lists["0"].name, lists["1"].id], ["Newsletter", "13"]);
  const picked = await ac.api(`list/view?id=${listID}`, {});
  assert.deepEqual([picked.success, picked.name], [1, "Newsletter"]);
  assert.equal((await ac.api("list/view?id=99", {})).success, 0);
  const account = await ac.api("account/view", {});
  assert.deepEqual([account.success, account.account], [1, "acme"]);

  const flat = await ac.api("webhook/add", {
    name: "Flat", url: "https://flat.example.com/", [`lists[${listID}]`]: listID,
    "action[0]": "subscribe", "action[1]": "unsubscribe", "init[0]": "public", "init[1]": "admin",
  });
  assert.equal(flat.success, 1, flat.error);
  assert.equal(typeof flat.id, "number");

  // The client sends what is no string as JSON.
  const nested = await ac.api("webhook/add", {
    name: "Nested", url: "https://nested.example.com/?a=1&b=[2]", lists: { 0: 0 },
    action: { subscribe: "subscribe", open: "open" }, init: ["public", "api", "system"],
  });
  assert.equal(nested.success, 1, nested.error);

  const keyed = await ac.api("webhook/add", {
    name: "Grüße, \"Keyed\" & <co>", url: "https://keyed.example.com/",
    "action[click]": "click", "action[bounce]": "bounce", "init[system]": "system",
  });
  assert.equal(keyed.success, 1, keyed.error);

  const list = await ac.api("webhook/list", {});
  assert.equal(list.success, 1);
  const rows = Object.keys(list).filter((k) => /^\d+$/.test(k)).map((k) => list[k]);
  assert.deepEqual(rows.map((row) => row.name).sort(), ["Flat", "Grüße, \"Keyed\" & <co>", "Nested"]);

  const viewed = await ac.api(`webhook/view?id=${flat.id}`, {});
  assert.equal(viewed.success, 1);
  assert.equal(viewed.listid, listID);
  assert.deepEqual([viewed.subscribe, viewed.unsubscribe, viewed.open], [1, 1, 0]);
  assert.deepEqual([viewed.init_public, viewed.init_admin, viewed.init_api, viewed.init_system], [1, 1, 0, 0]);
  assert.match(viewed.cdate, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);

  const found = await ac.api("webhook/list?filters[name]=Nested", {});
  assert.equal(found["0"].url, "https://nested.example.com/?a=1&b=[2]");
  assert.equal(found["1"], undefined);

  const edited = await ac.api("webhook/edit", {
    id: flat.id, name: "Edited", url: "https://edited.example.com/", "action[0]": "share", "init[0]": "api", "lists[0]": 0,
  });
  assert.equal(edited.success, 1, edited.error);
  const after = await ac.api(`webhook/view?id=${flat.id}`, {});
  assert.deepEqual([after.name, after.listid, after.share, after.subscribe, after.init_api], ["Edited", "0", 1, 0, 1]);

  const events = await ac.api("webhook/events", {});
  assert.equal(events["0"].db_field, "subscribe");
  assert.equal(events["8"].description, "Email Bounce");

  const mixed = await ac.api("webhook/add", {
    name: "Mixed", url: "https://mixed.example.com/", "action[0]": "deal_add", "action[1]": " Subscribe", "init[0]": "public",
  });
  assert.equal(mixed.success, 1, mixed.error);
  assert.equal((await ac.api(`webhook/view?id=${mixed.id}`, {})).subscribe, 1);
  assert.equal((await ac.api(`webhook/delete?id=${mixed.id}`, {})).success, 1);
  const unknown = await ac.api("webhook/add", { name: "Bad", url: "https://bad.example.com/", "action[0]": "deal_add", "init[0]": "api" });
  assert.equal(unknown.success, 0);
  assert.match(unknown.error, /^Failed: action /);

  const bad = await ac.api("webhook/add", { name: "Bad", url: "http://127.0.0.1/", "action[0]": "open", "init[0]": "api" });
  assert.equal(bad.success, 0);
  assert.match(bad.error, /^Failed: url /);

  const deleted = await ac.api(`webhook/delete?id=${flat.id}`, {});
  assert.equal(deleted.success, 1);
  const gone = await ac.api(`webhook/view?id=${flat.id}`, {});
  assert.equal(gone.success, 0);
  const rest = await ac.api(`webhook/delete_list?ids=${nested.id},${keyed.id}`, {});
  assert.equal(rest.success, 1, rest.error);
  const empty = await ac.api("webhook/list", {});
  assert.equal(empty["0"], undefined);

  // Last, since the client keeps one key for all of its objects.
  assert.equal((await new ActiveCampaign(base, "wrong").api("list/list?ids=all", {})).success, 0);
})().catch((error) => { console.error(error); process.exit(1); });
