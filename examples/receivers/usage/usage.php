<?php
/*
 * Records when campaigns start and to how many people they go, to bill by, or
 * to see what a customer uses.
 */

declare(strict_types=1);
require __DIR__ . '/../receive/receive.php';

// The month is the sender's own, as the event has it.
const SCHEMA = '
CREATE TABLE IF NOT EXISTS starts (
  campaign TEXT PRIMARY KEY, name TEXT NOT NULL, month TEXT NOT NULL, recipients INTEGER NOT NULL
);';

receive(SCHEMA, function (PDO $db, array $event): void {
    if ($event['type'] === 'sent') { // the webhook may be set to more than this needs
        $campaign = $event['campaign'];
        run($db, 'INSERT INTO starts (campaign, name, month, recipients) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
            [$campaign['id'], $campaign['name'], substr($event['date_time'], 0, 7), (int) ($campaign['recipients'] ?? 0)]);
    }
}, function (PDO $db): void {
    $lines = '';
    $months = $db->query('SELECT month, count(*), sum(recipients) FROM starts GROUP BY month ORDER BY month', PDO::FETCH_NUM);
    foreach ($months as $row) {
        $lines .= implode("\t", $row) . "\n";
    }
    answer(200, rtrim($lines));
});
