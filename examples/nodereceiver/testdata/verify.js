'use strict';
// Answers with what standardwebhooks says of a delivery.
const express = require('express');
const { Webhook } = require('standardwebhooks');

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

const outcome = (verify) => {
  try {
    verify();
    return 'verified';
  } catch (error) {
    return error.name;
  }
};

const app = express();
app.post('/', express.raw({ type: () => true }), ({ body, headers }, response) => {
  let returned = null;
  response.json({
    'as usual': outcome(() => { returned = webhook.verify(body, headers); }),
    returned,
    'jsonParse: false': outcome(() => webhook.verify(body, headers, { jsonParse: false })),
    'another body': outcome(() => webhook.verify(body + '&', headers, { jsonParse: false })),
  });
});
app.listen(Number(process.env.PORT), process.env.HOST);
