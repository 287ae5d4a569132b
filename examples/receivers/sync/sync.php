<?php
/*
 * Keeps the subscribers of lists in a database of its own, as an online shop or
 * a CRM would.
 */

declare(strict_types=1);
require __DIR__ . '/../receive/receive.php';

const SCHEMA = '
CREATE TABLE IF NOT EXISTS subscribers (
  id TEXT PRIMARY KEY, email TEXT NOT NULL, first_name TEXT NOT NULL, last_name TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS fields (
  subscriber TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (subscriber, field)
);
CREATE TABLE IF NOT EXISTS memberships (
  list TEXT NOT NULL, subscriber TEXT NOT NULL, subscribed INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (list, subscriber)
);';

receive(SCHEMA, function (PDO $db, array $event, array $person): void {
    switch ($event['type']) {
        case 'subscribe':
        case 'unsubscribe':
            join_list($db, $event, $person, $event['type'] === 'subscribe');
            save($db, $event, $person);
            break;
        case 'update':
            save($db, $event, $person);
    } // the webhook may be set to more than this needs
}, function (PDO $db): void {
    $n = $db->query('SELECT count(*) FROM memberships WHERE subscribed')->fetchColumn();
    answer(200, "$n subscribed");
});

/**
 * Notes that somebody came to the event's list, or left it. Events may arrive in
 * another order than they happened in: an older one changes nothing, so that
 * nobody is subscribed again who has left.
 */
function join_list(PDO $db, array $event, array $person, bool $subscribed): void
{
    if ($event['list'] === '0') {
        return; // the event is for no list
    }
    run($db, 'INSERT INTO memberships (list, subscriber, subscribed, at) VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET subscribed = excluded.subscribed, at = excluded.at WHERE excluded.at >= at',
        [$event['list'], $person['id'], (int) $subscribed, strtotime($event['date_time'])]);
}

/** Keeps what an event says of a person, unless something later is known. */
function save(PDO $db, array $event, array $person): void
{
    $saved = run($db, 'INSERT INTO subscribers (id, email, first_name, last_name, at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET email = excluded.email, first_name = excluded.first_name,
            last_name = excluded.last_name, at = excluded.at WHERE excluded.at >= at',
        [$person['id'], $person['email'], $person['first_name'], $person['last_name'], strtotime($event['date_time'])]);
    if ($saved === 0) {
        return;
    }
    // An event has all the fields; those that are empty are left out.
    run($db, 'DELETE FROM fields WHERE subscriber = ?', [$person['id']]);
    foreach ($person['fields'] ?? [] as $field => $value) {
        run($db, 'INSERT INTO fields (subscriber, field, value) VALUES (?, ?, ?)', [$person['id'], (string) $field, $value]);
    }
}
