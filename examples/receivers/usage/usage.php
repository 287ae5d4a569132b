<?php
/*
 * Records when campaigns start and to how many people they go, to bill by, or
 * to see what a customer uses.
 */

declare(strict_types=1);
require __DIR__ . '/../receive/receive.php';

// The month is the sender's own, as the event has it. A recurring campaign starts
// more than once.
const SCHEMA = '
CREATE TABLE IF NOT EXISTS starts (
  campaign TEXT NOT NULL, at INTEGER NOT NULL, name TEXT NOT NULL, month TEXT NOT NULL, recipients INTEGER NOT NULL,
  PRIMARY KEY (campaign, at)
);';

receive(SCHEMA, function (PDO $db, array $event): void {
    if ($event['type'] === 'sent') { // the webhook may be set to more than this needs
        $campaign = is_array($event['campaign'] ?? null) ? $event['campaign'] : [];
        run($db, 'INSERT INTO starts (campaign, at, name, month, recipients) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
            [text($campaign, 'id'), happened($event), text($campaign, 'name'), substr(text($event, 'date_time'), 0, 7), (int) text($campaign, 'recipients')]);
    }
}, function (PDO $db): void {
    $lines = '';
    $months = $db->query('SELECT month, count(*), sum(recipients) FROM starts GROUP BY month ORDER BY month', PDO::FETCH_NUM);
    foreach ($months as $row) {
        $lines .= implode("\t", $row) . "\n";
    }
    answer(200, rtrim($lines));
});
