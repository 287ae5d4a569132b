'use strict';
// Validates bodies with the schemas of an OpenAPI document, and the document itself.
// Standard input holds {"document": …, "bodies": [[type, body], …]}.
const assert = require('node:assert');
const Ajv = require('ajv/dist/2020').default;
const addFormats = require('ajv-formats').default;

const { document, bodies } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));

const ajv = new Ajv({ strict: true, strictTypes: false, allErrors: true });
addFormats(ajv);
ajv.addVocabulary(['components']); // where the document has its schemas
ajv.addSchema({ $id: 'document', components: document.components });
const validators = {};
for (const [type, { post }] of Object.entries(document.webhooks)) {
  const name = post.requestBody.content['application/json'].schema.$ref.split('/').pop();
  validators[type] = ajv.getSchema(`document#/components/schemas/${name}`);
}

for (const [type, body] of bodies) {
  const validate = validators[type];
  assert.ok(validate(body), `${type}: ${ajv.errorsText(validate.errors)}`);
  for (const key of Object.keys(body)) {
    const { [key]: _, ...less } = body;
    assert.ok(!validate(less), `${type} is valid without ${key}`);
  }
  assert.ok(!validate({ ...body, lists: '12' }), `${type} is valid with a list that is no array`);
}

const several = validators['several events'];
assert.ok(several(bodies.map(([, body]) => body)), `several events: ${ajv.errorsText(several.errors)}`);
assert.ok(!several(bodies[0][1]), 'one event is a list of several');

(async () => {
  const { Validator } = await import(require.resolve('@seriousme/openapi-schema-validator'));
  const validator = new Validator();
  const result = await validator.validate(document);
  assert.ok(result.valid, JSON.stringify(result.errors));
  assert.strictEqual(validator.version, '3.1');
})().catch((error) => { console.error(error); process.exit(1); });
