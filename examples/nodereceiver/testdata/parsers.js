'use strict';
// Answers with the custom fields of a delivery, as several parsers read them.
const express = require('express');
const qs = require('qs');

const fields = (flat) =>
  Object.fromEntries(Object.entries(flat).flatMap(([name, value]) => {
    const [, id] = /^contact\[fields\]\[(.*)\]$/.exec(name) ?? [];
    return id === undefined ? [] : [[id, value]];
  }));

/* Has a middleware of Express parse the text. */
const parse = (middleware, text) =>
  new Promise((resolve, reject) => {
    const { Readable } = require('node:stream');
    const request = Object.assign(Readable.from([Buffer.from(text)]), {
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(text.length) },
    });
    middleware(request, {}, (error) => (error ? reject(error) : resolve(request.body)));
  });

const app = express();
app.post('/', express.raw({ type: () => true }), async (request, response) => {
  const text = request.body.toString();
  response.json({
    'extended: true': (await parse(express.urlencoded({ extended: true }), text)).contact.fields,
    'extended: false': fields(await parse(express.urlencoded({ extended: false }), text)),
    'parseArrays: false': qs.parse(text, { parseArrays: false }).contact.fields,
    URLSearchParams: fields(Object.fromEntries(new URLSearchParams(text))),
  });
});
app.listen(Number(process.env.PORT), process.env.HOST);
