<?php
/*
 * Keeps a list of the addresses that must not be written to, for whatever else
 * sends mail: who has unsubscribed and whose mail bounced.
 */

declare(strict_types=1);
require __DIR__ . '/../receive/receive.php';

// Somebody may come back. Only the latest moment of each counts, so that the
// order in which events arrive makes no difference; of one moment, it is that of
// leaving. The list '0' stands for every list.
const SCHEMA = "
CREATE TABLE IF NOT EXISTS people (
  email TEXT NOT NULL COLLATE NOCASE, list TEXT NOT NULL,
  joined INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (email, list)
);
CREATE TABLE IF NOT EXISTS bounced (
  email TEXT PRIMARY KEY COLLATE NOCASE, code TEXT NOT NULL, description TEXT NOT NULL
);
CREATE VIEW IF NOT EXISTS unsubscribed AS
  SELECT p.email, p.list, p.joined, max(p.gone, coalesce(every.gone, 0)) AS gone
  FROM people p LEFT JOIN people every ON every.list = '0' AND every.email = p.email;
CREATE VIEW IF NOT EXISTS suppressed AS
  SELECT email, 'list ' || list AS scope, 'unsubscribed' AS why FROM unsubscribed
  WHERE list <> '0' AND gone > 0 AND gone >= joined
  UNION ALL SELECT email, 'every list', 'unsubscribed' FROM people every
  WHERE list = '0' AND gone > 0 AND gone >= (SELECT max(joined) FROM people p WHERE p.email = every.email)
  UNION ALL SELECT email, 'every list', code || ' ' || description FROM bounced;";

receive(SCHEMA, function (PDO $db, array $event, array $person): void {
    if (text($person, 'email') === '') {
        return;
    }
    switch ($event['type']) {
        case 'subscribe':
            note($db, 'joined', $event, $person);
            break;
        case 'unsubscribe':
            note($db, 'gone', $event, $person);
            break;
        case 'bounce':
            $bounce = is_array($event['bounce'] ?? null) ? $event['bounce'] : [];
            if (text($bounce, 'type') === 'hard') { // else a full mailbox, say: the address is still good
                run($db, 'INSERT INTO bounced (email, code, description) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
                    [$person['email'], text($bounce, 'code'), text($bounce, 'description')]);
            }
    }
}, function (PDO $db): void {
    $lines = '';
    foreach ($db->query('SELECT email, scope, why FROM suppressed ORDER BY email, scope', PDO::FETCH_NUM) as $row) {
        $lines .= implode("\t", $row) . "\n";
    }
    answer(200, rtrim($lines));
});

/**
 * Notes when somebody joined the event's list or was gone from it: the column.
 * Who leaves without a list, which is '0', leaves every list.
 */
function note(PDO $db, string $column, array $event, array $person): void
{
    run($db, "INSERT INTO people (email, list, $column) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET $column = max($column, excluded.$column)",
        [$person['email'], text($event, 'list') ?: '0', moment($db, $event, identity($person))]);
}
