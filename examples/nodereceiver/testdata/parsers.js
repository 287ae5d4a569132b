'use strict';
// Answers with the custom fields of a delivery, as several parsers read them.
const express = require('express');
const qs = require('qs');
const { Webhook } = require('standardwebhooks');

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const verify = (request, response, bytes) => webhook.verify(bytes, request.headers, { jsonParse: false });

const fields = (flat) =>
  Object.fromEntries(Object.entries(flat).flatMap(([name, value]) => {
    const [, id] = /^contact\[fields\]\[(.*)\]$/.exec(name) ?? [];
    return id === undefined ? [] : [[id, value]];
  }));

/* Has a middleware of Express parse the text of a request with these headers. */
const parse = (middleware, text, headers) =>
  new Promise((resolve, reject) => {
    const { Readable } = require('node:stream');
    const request = Object.assign(Readable.from([Buffer.from(text)]), {
      headers: { ...headers, 'content-length': String(text.length) },
    });
    middleware(request, {}, (error) => (error ? reject(error) : resolve(request.body)));
  });

const app = express();
app.post('/', express.raw({ type: () => true }), async (request, response) => {
  const text = request.body.toString();
  const { headers } = request;
  const flat = express.urlencoded({ extended: false, limit: '1mb', verify });
  response.json({
    'extended: true': (await parse(express.urlencoded({ extended: true }), text, headers)).contact.fields,
    'extended: false': fields(await parse(flat, text, headers)),
    'another body': await parse(flat, text + '&', headers).catch((error) => error.type),
    'parseArrays: false': qs.parse(text, { parseArrays: false }).contact.fields,
    URLSearchParams: fields(Object.fromEntries(new URLSearchParams(text))),
  });
});
app.listen(Number(process.env.PORT), process.env.HOST);
