// Runs n8n's nodes for ActiveCampaign, which are unmodified, with what n8n's
// server hands to a node. Without an id it tests the credentials, loads the
// options that people pick from and adds a webhook, whose id it prints; with one
// it finds that webhook and deletes it.
"use strict";
const assert = require("node:assert/strict");
const Module = require("node:module");
const path = require("node:path");

const [dir, base, key, receiver, id] = process.argv.slice(2);

// The names that the nodes take from the server.
class NodeApiError extends Error {
  constructor(node, cause) {
    super(cause.message);
    this.httpCode = cause.status;
  }
}
const server = { NodeApiError, NodeOperationError: Error, NodeConnectionTypes: { Main: "main" } };
const load = Module._load;
Module._load = (request, ...rest) => (request === "n8n-workflow" ? server : load(request, ...rest));

const { ActiveCampaignApi } = require(path.join(dir, "dist/credentials/ActiveCampaignApi.credentials.js"));
const { ActiveCampaign } = require(path.join(dir, "dist/nodes/ActiveCampaign/ActiveCampaign.node.js"));
const { ActiveCampaignTrigger } = require(path.join(dir, "dist/nodes/ActiveCampaign/ActiveCampaignTrigger.node.js"));

const api = new ActiveCampaignApi();
const credentials = { apiUrl: base, apiKey: key };

// resolve replaces the expressions of the credentials' definition.
const resolve = (text, given) => text.replace(/^=\{\{\$credentials\.(\w+)\}\}$/, (_, name) => given[name]);

async function request(given, { method = "GET", uri, qs = {}, body, headers = {} }) {
  const sent = { ...headers };
  for (const [name, value] of Object.entries(api.authenticate.properties.headers)) sent[name] = resolve(value, given);
  if (body) sent["Content-Type"] = "application/json";
  const url = new URL(uri);
  for (const [name, value] of Object.entries(qs)) url.searchParams.set(name, value);
  const response = await fetch(url, { method, headers: sent, body: body && JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw Object.assign(new Error(`${response.status} - ${text}`), { status: response.status });
  return JSON.parse(text);
}

const staticData = id ? { webhookId: id } : {};
const context = (parameters = {}) => ({
  getCredentials: async () => credentials,
  getNode: () => ({ name: "ActiveCampaign" }),
  getNodeParameter: (name) => parameters[name],
  getNodeWebhookUrl: () => receiver,
  getWorkflowStaticData: () => staticData,
  getInputData: () => [{ json: {} }],
  continueOnFail: () => false,
  helpers: {
    requestWithAuthentication: (_type, options) => request(credentials, options),
    returnJsonArray: (data) => [].concat(data).map((json) => ({ json })),
    constructExecutionMetaData: (items) => items,
  },
});

(async () => {
  const trigger = new ActiveCampaignTrigger();
  const hooks = trigger.webhookMethods.default;
  if (id) {
    assert.equal(await hooks.checkExists.call(context()), true);
    assert.equal(await hooks.delete.call(context()), true);
    staticData.webhookId = id;
    assert.equal(await hooks.checkExists.call(context()), false);
    return;
  }

  const test = api.test.request;
  const tested = { uri: resolve(test.baseURL, credentials) + test.url };
  assert.equal((await request(credentials, tested)).fields.length, 2);
  await assert.rejects(request({ ...credentials, apiKey: "wrong" }, tested), /^Error: 403 /);

  const events = await trigger.methods.loadOptions.getEvents.call(context());
  assert.deepEqual(events.map((event) => event.value), [
    "subscribe", "unsubscribe", "update", "sent", "open", "click", "forward", "share", "bounce",
  ]);

  const node = new ActiveCampaign();
  const fields = await node.methods.loadOptions.getContactCustomFields.call(context());
  assert.deepEqual(fields, [{ name: "City", value: "7" }, { name: "Colours", value: "8" }]);
  for (const returnAll of [true, false]) {
    const parameters = { resource: "list", operation: "getAll", returnAll, simple: true, limit: 100 };
    const [lists] = await node.execute.call(context(parameters));
    assert.deepEqual(lists.map((item) => item.json.name), ["Newsletter", "Weekly offers"]);
  }

  assert.equal(await hooks.checkExists.call(context()), false);
  const parameters = { events: ["subscribe", "update", "deal_add"], sources: ["public", "admin", "api", "system"] };
  assert.equal(await hooks.create.call(context(parameters)), true);
  console.log(staticData.webhookId);
})().catch((error) => { console.error(error); process.exit(1); });
