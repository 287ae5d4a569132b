<?php
/*
 * Shows how people react to campaigns, while they do: opens, clicks, forwards
 * and shares. Its page asks for the figures every few seconds, since PHP's own
 * server answers one request at a time; /live has them as JSON.
 */

declare(strict_types=1);
require __DIR__ . '/../receive/receive.php';

const SCHEMA = '
CREATE TABLE IF NOT EXISTS reactions (
  campaign TEXT NOT NULL, reaction TEXT NOT NULL, subscriber TEXT NOT NULL, times INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (campaign, reaction, subscriber)
);';

receive(SCHEMA, function (PDO $db, array $event, array $person): void {
    if (in_array($event['type'], ['open', 'click', 'forward', 'share'], true)) {
        $campaign = is_array($event['campaign'] ?? null) ? $event['campaign'] : [];
        run($db, 'INSERT INTO reactions (campaign, reaction, subscriber) VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET times = times + 1',
            [text($campaign, 'id'), $event['type'], identity($person)]);
    }
}, function (PDO $db): void {
    $figures = $db->query('SELECT campaign, reaction, sum(times) AS times, count(*) AS people FROM reactions
        GROUP BY campaign, reaction ORDER BY campaign, reaction')->fetchAll(PDO::FETCH_ASSOC);
    if (strtok($_SERVER['REQUEST_URI'], '?') === '/live') {
        header('Content-Type: application/json');
        echo json_encode($figures, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
        return;
    }
    header('Content-Type: text/html; charset=utf-8');
    echo '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="refresh" content="3"><title>Live reactions</title>',
        '<style>:root { color-scheme: light dark } body { font: 1.1rem system-ui, sans-serif; margin: 2rem } th, td { padding: .3rem 1rem .3rem 0; text-align: left }</style>',
        '<h1>Live reactions</h1><table><tr><th>Campaign<th>Reaction<th>Times<th>People';
    foreach ($figures as $figure) {
        echo '<tr><td>', implode('<td>', array_map(fn ($text) => htmlspecialchars((string) $text), $figure));
    }
    echo '</table>';
});
