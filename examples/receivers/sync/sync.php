<?php
/*
 * Keeps the subscribers of lists in a database of its own, as an online shop or
 * a CRM would.
 */

declare(strict_types=1);
require __DIR__ . '/../receive/receive.php';

// Events may arrive in another order than they happened in, above all those that are
// sent again, so each row has the moment of the event that wrote it, and an older event
// changes nothing. Of two events of one moment an unsubscription counts most. For
// what else they say, the one with the greater event counts, its type and ID:
// an update more than a subscription, and of the same type, mostly the later.
//
// The list '0' of list_changes stands for every list.
const SCHEMA = "
CREATE TABLE IF NOT EXISTS subscribers (
  id TEXT PRIMARY KEY, email TEXT NOT NULL, first_name TEXT NOT NULL, last_name TEXT NOT NULL,
  at INTEGER NOT NULL, event TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS fields (
  subscriber TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL, event TEXT NOT NULL,
  PRIMARY KEY (subscriber, field)
);
CREATE TABLE IF NOT EXISTS list_changes (
  list TEXT NOT NULL, subscriber TEXT NOT NULL,
  subscribed_at INTEGER NOT NULL DEFAULT 0, unsubscribed_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (list, subscriber)
);
CREATE VIEW IF NOT EXISTS memberships AS
  SELECT c.list, c.subscriber, c.subscribed_at > max(c.unsubscribed_at, coalesce(every.unsubscribed_at, 0)) AS subscribed
  FROM list_changes c LEFT JOIN list_changes every ON every.list = '0' AND every.subscriber = c.subscriber
  WHERE c.list <> '0';";

receive(SCHEMA, function (PDO $db, array $event, array $person, string $delivery): void {
    if (!in_array($event['type'], ['subscribe', 'unsubscribe', 'update'], true)) {
        return; // the webhook was set to more than this needs
    }
    $id = identity($person);
    if ($id === '') {
        return; // it names nobody
    }
    $at = moment($db, $event, $id);
    switch ($event['type']) {
        case 'subscribe':
            change_list($db, 'subscribed_at', $id, $event, $at);
            save($db, $id, $person, $at, "$event[type] $delivery");
            break;
        case 'unsubscribe':
            change_list($db, 'unsubscribed_at', $id, $event, $at);
            add($db, $id, $person);
            break;
        case 'update': // it subscribes nobody: its subscriber may have left the list
            save($db, $id, $person, $at, "$event[type] $delivery");
    }
}, function (PDO $db): void {
    $n = $db->query('SELECT count(*) FROM memberships WHERE subscribed')->fetchColumn();
    answer(200, "$n subscribed");
});

/**
 * Records when somebody came to the event's list or left it: the column. Who
 * leaves without a list, which is '0', leaves every list.
 */
function change_list(PDO $db, string $column, string $id, array $event, int $at): void
{
    run($db, "INSERT INTO list_changes (list, subscriber, $column) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET $column = max($column, excluded.$column)",
        [text($event, 'list') ?: '0', $id, $at]);
}

/**
 * Keeps what an event says of a person, unless something later is known. A field
 * that was cleared comes empty; one that does not come is as it was.
 */
function save(PDO $db, string $id, array $person, int $at, string $source): void
{
    run($db, 'INSERT INTO subscribers (id, email, first_name, last_name, at, event) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET email = excluded.email, first_name = excluded.first_name, last_name = excluded.last_name,
            at = excluded.at, event = excluded.event WHERE (excluded.at, excluded.event) > (at, event)',
        [$id, text($person, 'email'), text($person, 'first_name'), text($person, 'last_name'), $at, $source]);
    foreach (is_array($person['fields'] ?? null) ? $person['fields'] : [] as $field => $value) {
        run($db, 'INSERT INTO fields (subscriber, field, value, at, event) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at, event = excluded.event
                WHERE (excluded.at, excluded.event) > (at, event)', [$id, (string) $field, text($person['fields'], $field), $at, $source]);
    }
}

/**
 * Keeps a person whom no event described yet. An unsubscription may say less of a
 * person than what is known.
 */
function add(PDO $db, string $id, array $person): void
{
    run($db, "INSERT INTO subscribers (id, email, first_name, last_name, at, event) VALUES (?, ?, ?, ?, 0, '')
        ON CONFLICT DO NOTHING", [$id, text($person, 'email'), text($person, 'first_name'), text($person, 'last_name')]);
}
