/*
 * A receiver that believes only what is signed, does each thing once however
 * often it is sent, takes one event in a request or several, and tells the events
 * apart. It keeps who is subscribed, how people reacted to each campaign, and when
 * campaigns started. It needs Node.js 18, express and standardwebhooks.
 *
 * Events may arrive in another order than they happened in, above all those that
 * are sent again. The state does not depend on the order: what is older than what
 * is known changes nothing, and of one moment an unsubscription counts.
 *
 *   WEBHOOK_SECRET  the webhook's secret, whsec_...
 *   RECEIVER_STATE  the file to keep all that in; default state.json
 *   HOST, PORT      where to listen; default 127.0.0.1 and 8080
 */
'use strict';

const fs = require('node:fs');
const express = require('express');
const { Webhook } = require('standardwebhooks');

const secret = process.env.WEBHOOK_SECRET ?? '';
if (!/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(secret)) {
  console.error('WEBHOOK_SECRET is not a secret: it was shown when the webhook was added');
  process.exit(1); // with an empty key anybody could sign
}
const webhook = new Webhook(secret);
const file = process.env.RECEIVER_STATE || 'state.json';
const remember = 90 * 86400; // seconds: longer than anything is sent again

const app = express();

// The signature is of the bytes as they came, so nothing parses the body before
// it is verified. Express takes 100 kB unless it is told otherwise, which is less
// than a delivery may have.
const types = ['application/x-www-form-urlencoded', 'application/json']; // by the webhook's format
const raw = express.raw({ type: types, limit: '1mb' });

app.post('/', raw, (request, response) => {
  if (!Buffer.isBuffer(request.body)) {
    return answer(response, 400, 'neither a form nor JSON');
  }
  try {
    // With jsonParse, verify fails on the good signature of a form.
    webhook.verify(request.body, request.headers, { jsonParse: false });
  } catch {
    return answer(response, 401, 'not signed, with another secret, or too long ago');
  }
  const text = request.body.toString();
  const all = request.is('json') ? parseJSON(text, request.headers) : parse(text, request.headers);
  if (all.length === 0 || !all.every(isEvent)) {
    return answer(response, 400, 'no event');
  }
  const events = all.filter((event) => !event.id.startsWith('test_'));
  if (events.length === 0) {
    return answer(response, 200, 'it works'); // somebody pressed the button on the webhook's page
  }

  // All this is synchronous, so one request at a time. Which events have been seen and
  // what they changed are written together or not at all, because the answer is for all
  // of them: with a database that is one transaction, and a table of ids with a unique
  // key.
  const state = read();
  const news = events.filter((event) => state.seen[event.id] === undefined);
  if (news.length === 0) {
    return answer(response, 200, 'had it');
  }
  const now = Math.floor(Date.now() / 1000);
  for (const [seen, at] of Object.entries(state.seen)) {
    if (at < now - remember) {
      delete state.seen[seen];
    }
  }
  for (const event of news) {
    if (state.seen[event.id] === undefined) {
      apply(state, event);
      state.seen[event.id] = now;
    }
  }
  fs.writeFileSync(file + '.new', JSON.stringify(state, null, 2));
  fs.renameSync(file + '.new', file);
  answer(response, 200, 'thank you');
});

// What is not answered with 2xx is sent again later.
app.use((error, request, response, next) => {
  console.error(error.message);
  answer(response, error.status ?? 500, 'not taken');
});

/*
 * Returns the events of a form, which are one, or several if the webhook is set so. What
 * the headers say of an event that comes alone, each of several says itself:
 * events[0][id].
 */
function parse(body, headers) {
  const forms = new Map(); // names and values by the event's number; '': it comes alone
  for (const [name, value] of new URLSearchParams(body)) {
    const [start, number, first] = /^events\[(\d+)\]\[(\w+)\]/.exec(name) ?? ['', '', ''];
    if (!forms.has(number)) {
      forms.set(number, []);
    }
    forms.get(number).push([first + name.slice(start.length), value]);
  }
  return [...forms].map(([number, pairs]) => eventOf(number === '' ? [...pairs, ...Object.entries(own(headers))] : pairs));
}

/*
 * Returns an event from the pairs of its form: { id, sequence, event_time, type,
 * date_time, list, person, campaign, bounce, fields }. Names are read as they are.
 * Parsers that make objects and lists of brackets take fields[7] for a place in a list:
 * qs, which Express uses with extended: true, loses the ids of fields that way.
 */
function eventOf(pairs) {
  const texts = { id: '', sequence: '', event_time: '', type: '', date_time: '', list: '' };
  const event = { ...texts, person: dictionary(), campaign: dictionary(), bounce: dictionary(), fields: dictionary() };
  for (const [name, value] of pairs) {
    const [, block, key, field] = /^(\w+)(?:\[([^\]]*)\])?(?:\[([^\]]*)\])?$/.exec(name) ?? [];
    const person = block === 'subscriber' || block === 'contact'; // by the webhook's format
    if (person && key === 'fields' && field !== undefined) {
      event.fields[field] = value;
    } else if (person && key !== undefined && field === undefined) {
      event.person[key] = value;
    } else if ((block === 'campaign' || block === 'bounce') && key !== undefined && field === undefined) {
      event[block][key] = value;
    } else if (Object.hasOwn(texts, name)) {
      event[name] = value;
    }
  }
  return event;
}

/* Returns the events of a body in JSON, which is an array of several. A block that does not apply is null. */
function parseJSON(body, headers) {
  const read = JSON.parse(body);
  return (Array.isArray(read) ? read : [{ ...read, ...own(headers) }]).map((event) => {
    const { id, sequence = '', event_time = '', type, date_time = '', lists, contact, campaign, bounce } = event ?? {};
    const { fields, ...person } = contact ?? {};
    const list = lists?.[0] ?? '0'; // a subscription and an unsubscription are for one list
    return { id, sequence, event_time, type, date_time, list, person, campaign: campaign ?? {}, bounce: bounce ?? {}, fields: fields ?? {} };
  });
}

/* Returns what the headers say of an event that comes alone. */
function own(headers) {
  return { id: headers['webhook-id'], sequence: headers['webhook-sequence'] ?? '', event_time: headers['webhook-event-time'] ?? '' };
}

/* Reports whether something that came is an event. */
function isEvent({ id, type }) {
  return [id, type].every((text) => typeof text === 'string' && text !== '');
}

/* Changes the state by an event. A type that it does not know changes nothing. */
function apply(state, event) {
  const happened = whole(event.event_time) || Date.parse(event.date_time); // in milliseconds
  if (Number.isNaN(happened)) {
    throw new Error('the event has no time');
  }
  const list = event.list || '0'; // '0' is for no list: every list is concerned
  const { person, campaign } = event;
  const campaignID = campaign.id ?? '';
  switch (event.type) {
    case 'open':
    case 'click':
    case 'forward':
    case 'share': {
      const reactions = (state.reactions[campaignID] ??= dictionary());
      reactions[event.type] = (reactions[event.type] ?? 0) + 1;
      return;
    }
    case 'sent':
      if (happened >= (state.campaigns[campaignID]?.at ?? 0)) {
        state.campaigns[campaignID] = { name: campaign.name ?? '', started: event.date_time, at: happened };
      }
      return;
  }

  const key = person.id || (person.email ?? '').toLowerCase(); // an app without IDs knows people by address
  if (key === '') {
    return; // it names nobody
  }
  const at = moment(state, key, whole(event.sequence), happened);
  const known = (state.people[key] ??= { email: person.email ?? '', first_name: '', last_name: '', told: [0, ''], fields: dictionary() });
  const member = () => ((state.lists[list] ??= dictionary())[key] ??= { joined: 0, gone: 0 });
  switch (event.type) {
    case 'subscribe':
      member().joined = Math.max(member().joined, at);
      describe(known, event, [at, event.type + ' ' + event.id]);
      break;
    case 'unsubscribe':
      member().gone = Math.max(member().gone, at);
      break;
    case 'update': // it subscribes nobody: its subscriber may have left the list
      describe(known, event, [at, event.type + ' ' + event.id]);
      break;
    case 'bounce': // hard: the address is gone for good, for every list
      if (event.bounce.type === 'hard' && person.email) {
        state.bounced[person.email.toLowerCase()] = event.bounce.code ?? '';
      }
  }
  for (const members of Object.values(state.lists)) {
    for (const [id, is] of Object.entries(members)) {
      const gone = Math.max(is.gone, state.lists['0']?.[id]?.gone ?? 0);
      const bounced = state.bounced[state.people[id].email.toLowerCase()] !== undefined;
      is.subscribed = is.joined > gone && !bounced;
    }
  }
}

/*
 * Returns when an event counts as having happened, in Unix microseconds. That is its
 * time, but where that contradicts the sequence of its subscriber's events: the clocks of
 * two servers may differ, and a delivery that is sent again is still the older one. An
 * event without a sequence has its time alone. Times are milliseconds, so there is room
 * between two moments for an event that comes late.
 */
function moment(state, subscriber, sequence, happened) {
  let at = happened * 1000;
  if (sequence === 0) {
    return at;
  }
  const moments = (state.moments[subscriber] ??= dictionary());
  let before = -Infinity;
  let after = Infinity;
  for (const [other, known] of Object.entries(moments)) {
    if (Number(other) < sequence) {
      before = Math.max(before, known);
    } else if (Number(other) > sequence) {
      after = Math.min(after, known);
    }
  }
  at = Math.max(at, before + 1000);
  if (at >= after) {
    at = before === -Infinity ? after - 1000 : Math.floor((before + after) / 2);
  }
  moments[sequence] = at;
  for (const old of Object.keys(moments).sort((a, b) => a - b).slice(0, -100)) {
    delete moments[old];
  }
  return at;
}

/* Returns a positive number of an event; 0: it has none. */
function whole(text) {
  const n = /^[1-9][0-9]{0,15}$/.test(text ?? '') ? Number(text) : 0;
  return Number.isSafeInteger(n) ? n : 0;
}

/*
 * Keeps what an event says of a person, unless something later is known. told is
 * when it happened, and, for events of one moment, its type and ID: an update
 * counts more than a subscription, and mostly the later of two. A field that was
 * cleared comes empty; one that does not come is as it was.
 */
function describe(known, event, told) {
  if (later(told, known.told)) {
    for (const name of ['email', 'first_name', 'last_name']) {
      known[name] = event.person[name] ?? '';
    }
    known.told = told;
  }
  for (const [field, value] of Object.entries(event.fields)) {
    if (later(told, known.fields[field]?.told ?? [0, ''])) {
      known.fields[field] = { value, told };
    }
  }
}

function later([at, source], [thanAt, thanSource]) {
  return at > thanAt || (at === thanAt && source > thanSource);
}

function read() {
  const kept = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '{}';
  const state = JSON.parse(kept, (_, value) => (value && typeof value === 'object' && !Array.isArray(value) ? dictionary(value) : value));
  for (const part of ['seen', 'people', 'lists', 'bounced', 'reactions', 'campaigns', 'moments']) {
    state[part] ??= dictionary();
  }
  return state;
}

/* An object that has nothing but what is put into it: {} has a toString. */
function dictionary(entries = {}) {
  return Object.assign(Object.create(null), entries);
}

function answer(response, status, text) {
  response.status(status).type('text/plain').send(text + '\n');
}

app.listen(Number(process.env.PORT || 8080), process.env.HOST || '127.0.0.1', (error) => {
  if (error) {
    throw error;
  }
});
