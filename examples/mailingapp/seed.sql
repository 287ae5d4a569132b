INSERT INTO lists (id, name) VALUES (12, 'Newsletter'), (13, 'Weekly offers');

INSERT INTO subscribers (id, email, first_name, last_name, city) VALUES
  (1, 'ada@example.com', 'Ada', 'Lovelace', 'London'),
  (2, 'grace@example.com', 'Grace', 'Hopper', 'New York'),
  (3, 'alan@example.com', 'Alan', 'Turing', 'Wilmslow'),
  (4, 'emmy@example.com', 'Emmy', 'Noether', 'Erlangen'),
  (5, 'srinivasa@example.com', 'Srinivasa', 'Ramanujan', 'Kumbakonam');

INSERT INTO subscriptions (list_id, subscriber_id) VALUES (12, 1), (12, 2), (12, 3), (12, 4), (13, 2), (13, 5);

INSERT INTO campaigns (id, list_id, name, subject, text) VALUES (34, 12, 'Spring newsletter', 'What is new this spring',
  'Spring is here, and so are new things in our shop: https://example.com/spring

There are a few offers left, too: https://example.com/offers?from=newsletter

See you soon!');

INSERT INTO links (id, campaign_id, url) VALUES
  (78, 34, 'https://example.com/spring'), (79, 34, 'https://example.com/offers?from=newsletter');
