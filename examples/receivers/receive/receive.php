<?php
/*
 * What the receivers have in common: each event is believed only if it is
 * signed, and does what it does once, however often it is sent. It runs on any
 * PHP from 8.1 with PDO's SQLite, Debian's php-sqlite3; another database needs
 * another DSN.
 *
 *   WEBHOOK_SECRET  the webhook's secret, whsec_...
 *   RECEIVER_DATA   the database's file; default receiver.db. It holds personal
 *                   data: keep it out of the folders that are served
 */

declare(strict_types=1);
ini_set('display_errors', '0'); // else PHP answers 200 to its own faults

const TOLERANCE = 300;          // seconds that the sender's clock may differ
const REMEMBER = 90 * 86400;    // seconds: longer than anything is sent again

/**
 * Calls $apply with the event that came, its person and its webhook-id, in a
 * transaction, or $page if none came.
 */
function receive(string $schema, callable $apply, callable $page): never
{
    $db = new PDO('sqlite:' . (getenv('RECEIVER_DATA') ?: 'receiver.db'));
    $db->exec('PRAGMA busy_timeout = 10000');
    $db->exec('CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS moments (subscriber TEXT NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL,
            seen INTEGER NOT NULL, PRIMARY KEY (subscriber, sequence));' . $schema);
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        $page($db);
        exit;
    }
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $body = (string) file_get_contents('php://input');
    if (!signed($id, $body)) {
        answer(401, 'not signed, with another secret, or too long ago');
    }
    $events = events($body);
    foreach ($events as $event) {
        if (!is_string($event['type'] ?? null)) {
            answer(400, 'no event');
        }
    }

    // That they were seen and what they changed are committed together or not at
    // all. What fails answers 500, and is sent again later.
    $db->exec('BEGIN IMMEDIATE');
    foreach ($events as $event) {
        $id = text($event, 'id');
        if (str_starts_with($id, 'test_')) {
            continue; // somebody pressed the button on the webhook's page
        }
        if (run($db, 'INSERT INTO seen (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING', [$id, time()]) === 0) {
            continue; // it came before
        }
        $person = $event['subscriber'] ?? $event['contact'] ?? []; // by the webhook's format
        $apply($db, $event, is_array($person) ? $person : [], $id);
    }
    run($db, 'DELETE FROM seen WHERE at < CAST(? AS INTEGER)', [time() - REMEMBER]);
    run($db, 'DELETE FROM moments WHERE seen < CAST(? AS INTEGER)', [time() - REMEMBER]);
    $db->exec('COMMIT');
    answer(200, 'thank you');
}

/**
 * Returns the events of a body, which is a form or JSON by the webhook's format: several
 * if the webhook gets batches. What the headers say of a single event, a batch says of
 * each event.
 */
function events(string $body): array
{
    $json = str_starts_with(strtolower($_SERVER['CONTENT_TYPE'] ?? ''), 'application/json');
    if (!$json && (!$_POST || substr_count($body, '&') >= (int) ini_get('max_input_vars'))) {
        answer(413, 'PHP did not read all of it: see max_input_vars and post_max_size');
    }
    $read = $json ? json_decode($body, true) : ($_POST['events'] ?? $_POST);
    if (!is_array($read)) {
        answer(400, 'no event');
    }
    if (isset($read['type'])) {
        $read['id'] = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
        $read['sequence'] = $_SERVER['HTTP_WEBHOOK_SEQUENCE'] ?? '';
        $read['event_time'] = $_SERVER['HTTP_WEBHOOK_EVENT_TIME'] ?? '';
        $read = [$read];
    }
    foreach ($read as &$event) {
        if ($json && is_array($event)) {
            $event['list'] = $event['lists'][0] ?? '0'; // a subscription and an unsubscription are for one list
            $event['event_time'] ??= (string) milliseconds($event);
        }
    }
    return $read ?: answer(400, 'no event');
}

/** Returns the time of an event in JSON, which has milliseconds, as a Unix time in these. */
function milliseconds(array $event): int
{
    $time = date_create(text($event, 'date_time'));
    return $time ? $time->getTimestamp() * 1000 + (int) $time->format('v') : 0;
}

/** Returns a text or a number of an event; '' if it has none. */
function text(array $values, string|int $key): string
{
    return is_scalar($values[$key] ?? null) ? (string) $values[$key] : '';
}

/** Returns by what a person is known: the ID or, of an app without IDs, the address; '' if there is neither. */
function identity(array $person): string
{
    return text($person, 'id') !== '' ? text($person, 'id') : strtolower(text($person, 'email'));
}

/** Returns when an event happened, as a Unix time. */
function happened(array $event): int
{
    return strtotime(text($event, 'date_time')) ?: throw new UnexpectedValueException('the event has no time');
}

/**
 * Returns when an event counts as having happened, in Unix microseconds. That is its
 * time, but where that contradicts the sequence of its subscriber's events: the clocks
 * of two servers may differ, and a delivery that is sent again is still the older one.
 * An event without a sequence has its time alone. Times are milliseconds, so there is
 * room between two moments for an event that comes late.
 */
function moment(PDO $db, array $event, string $subscriber): int
{
    $at = 1000 * (whole($event, 'event_time') ?: happened($event) * 1000);
    $sequence = whole($event, 'sequence');
    if ($sequence === 0) {
        return $at;
    }
    $around = $db->prepare('SELECT (SELECT max(at) FROM moments WHERE subscriber = ?1 AND sequence < CAST(?2 AS INTEGER)),
        (SELECT min(at) FROM moments WHERE subscriber = ?1 AND sequence > CAST(?2 AS INTEGER))');
    $around->execute([$subscriber, $sequence]);
    [$before, $after] = $around->fetch(PDO::FETCH_NUM);
    if ($before !== null) {
        $at = max($at, $before + 1000);
    }
    if ($after !== null && $at >= $after) {
        $at = $before === null ? $after - 1000 : intdiv($before + $after, 2);
    }
    run($db, 'INSERT INTO moments (subscriber, sequence, at, seen) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
        [$subscriber, $sequence, $at, time()]);
    return $at;
}

/** Returns a positive number of an event; 0: there is none. */
function whole(array $event, string $key): int
{
    $text = text($event, $key);
    return preg_match('/^[1-9][0-9]{0,17}$/D', $text) ? (int) $text : 0;
}

/** Executes a statement and returns how many rows it changed. */
function run(PDO $db, string $sql, array $values): int
{
    $statement = $db->prepare($sql);
    $statement->execute($values);
    return $statement->rowCount();
}

/** Says whether a body was signed with the secret, not long ago. */
function signed(string $id, string $body): bool
{
    $secret = (string) getenv('WEBHOOK_SECRET');
    $key = base64_decode(substr($secret, strlen('whsec_')), true);
    $timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    if (!str_starts_with($secret, 'whsec_') || $key === false || strlen($key) < 24 // with an empty key anybody could sign
        || $id === '' || !preg_match('/^[0-9]{1,12}$/D', $timestamp)) {
        return false;
    }
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    $signed = false;
    foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $signature) { // several while a secret is rotated
        $signed = hash_equals($expected, $signature) || $signed;
    }
    return $signed && abs(time() - (int) $timestamp) <= TOLERANCE;
}

function answer(int $status, string $text): never
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    exit("$text\n");
}
