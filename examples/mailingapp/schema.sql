CREATE TABLE IF NOT EXISTS lists (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS subscribers (
  id         INTEGER PRIMARY KEY,
  email      TEXT NOT NULL UNIQUE COLLATE NOCASE,
  first_name TEXT NOT NULL DEFAULT '',
  last_name  TEXT NOT NULL DEFAULT '',
  city       TEXT NOT NULL DEFAULT '',
  ip         TEXT NOT NULL DEFAULT '',
  bounced    INTEGER NOT NULL DEFAULT 0 -- the address is gone for good
);

CREATE TABLE IF NOT EXISTS subscriptions (
  list_id       INTEGER NOT NULL REFERENCES lists (id),
  subscriber_id INTEGER NOT NULL REFERENCES subscribers (id),
  active        INTEGER NOT NULL DEFAULT 1, -- 0: unsubscribed
  PRIMARY KEY (list_id, subscriber_id)
);

CREATE TABLE IF NOT EXISTS campaigns (
  id      INTEGER PRIMARY KEY,
  list_id INTEGER NOT NULL REFERENCES lists (id),
  name    TEXT NOT NULL,
  subject TEXT NOT NULL,
  text    TEXT NOT NULL,
  sent_at INTEGER -- Unix seconds; NULL: a draft
);

CREATE TABLE IF NOT EXISTS links (
  id          INTEGER PRIMARY KEY,
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  url         TEXT NOT NULL,
  UNIQUE (campaign_id, url)
);

-- One mail each. The token stands in the mail's links.
CREATE TABLE IF NOT EXISTS recipients (
  token         TEXT PRIMARY KEY,
  campaign_id   INTEGER NOT NULL REFERENCES campaigns (id),
  subscriber_id INTEGER NOT NULL REFERENCES subscribers (id),
  opened        INTEGER NOT NULL DEFAULT 0,
  clicks        INTEGER NOT NULL DEFAULT 0,
  forwards      INTEGER NOT NULL DEFAULT 0,
  shares        INTEGER NOT NULL DEFAULT 0,
  unsubscribed  INTEGER NOT NULL DEFAULT 0,
  bounce        TEXT NOT NULL DEFAULT '', -- hard or soft
  UNIQUE (campaign_id, subscriber_id)
);
