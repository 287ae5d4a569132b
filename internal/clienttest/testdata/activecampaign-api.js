// Makes the webhook calls through the second client, which encodes the several
// values as its HTTP library does.
"use strict";
const assert = require("node:assert/strict");
const { ApiClient } = require("activecampaign-api");

const [base, key, listID] = process.argv.slice(2);

(async () => {
  const client = new ApiClient({ endpointUrl: base + "/admin/api.php", key });
  const me = await client.call("user_me");
  assert.equal(me.result_code, 1);

  const lists = await client.call("list_list", { ids: "all" });
  assert.deepEqual([lists.result_code, lists["0"].id, lists["1"].name], [1, "12", "Weekly offers"]);
  assert.equal((await client.call("list_view", { id: listID })).name, "Newsletter");
  assert.equal((await client.call("account_view")).result_code, 1);

  const bodies = [
    { name: "Arrays", url: "https://arrays.example.com/", action: ["open", "click"], init: ["public"], lists: [listID] },
    { name: "Objects", url: "https://objects.example.com/", action: { open: "open", click: "click" }, init: { public: "public" }, lists: { [listID]: listID } },
    { name: "Brackets", url: "https://brackets.example.com/", "action[]": ["open", "click"], "init[]": ["public"], "lists[]": [listID] },
  ];
  const ids = [];
  for (const body of bodies) {
    const added = await client.call("webhook_add", {}, "POST", body);
    assert.equal(added.result_code, 1, added.result_message);
    ids.push(added.id);
    const view = await client.call("webhook_view", { id: added.id });
    assert.deepEqual([view.name, view.listid, view.open, view.click, view.share], [body.name, listID, 1, 1, 0]);
    assert.deepEqual([view.init_public, view.init_api], [1, 0]);
  }

  const list = await client.call("webhook_list", { filters: { name: "Objects" } }, "GET");
  assert.equal(list["0"].id, String(ids[1]));
  assert.equal(list["1"], undefined);

  // Parameters of a POST may stand in the query, too.
  const edited = await client.call("webhook_edit", { id: ids[0], name: "Queried" }, "POST", { action: ["bounce"] });
  assert.equal(edited.result_code, 1, edited.result_message);
  const view = await client.call("webhook_view", { id: ids[0] }, "POST");
  assert.deepEqual([view.name, view.bounce, view.open], ["Queried", 1, 0]);

  assert.equal((await client.call("webhook_delete", { id: ids[0] })).result_code, 1);
  const twice = await client.call("webhook_delete", { id: ids[0] });
  assert.equal(twice.result_code, 0);
  assert.equal((await client.call("webhook_delete_list", { ids: "all" })).result_code, 1);
  assert.equal((await client.call("webhook_list"))["0"], undefined);
})().catch((error) => { console.error(error); process.exit(1); });
