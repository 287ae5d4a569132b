<?php
/*
 * A receiver that believes only what is signed, does each thing once however
 * often it is sent, and tells the events apart. It keeps who is subscribed, how
 * people reacted to each campaign, and when campaigns started. It runs on any
 * PHP from 8.1.
 *
 *   WEBHOOK_SECRET  the webhook's secret, whsec_...
 *   RECEIVER_STATE  the file to keep all that in; default state.json
 */

declare(strict_types=1);
ini_set('display_errors', '0'); // else PHP answers 200 to its own faults

const TOLERANCE = 300;          // seconds that the sender's clock may differ
const REMEMBER = 30 * 86400;    // seconds: longer than anything is sent again

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    answer(405, 'POST only');
}
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$refusal = refusal(
    (string) getenv('WEBHOOK_SECRET'),
    $id,
    $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '',
    $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '',
    (string) file_get_contents('php://input')
);
if ($refusal !== '') {
    answer(401, $refusal);
}
if (!is_string($_POST['type'] ?? null)) {
    answer(400, 'no event');
}

// One request at a time. What has been seen and what it changed are written
// together or not at all: with a database that is one transaction, and a table
// of ids with a unique key.
$file = getenv('RECEIVER_STATE') ?: 'state.json';
$lock = fopen("$file.lock", 'c');
if (!$lock || !flock($lock, LOCK_EX)) {
    answer(500, 'cannot lock'); // what is not answered with 2xx is sent again later
}
$state = is_file($file) ? json_decode(file_get_contents($file), true, flags: JSON_THROW_ON_ERROR) : [];
if (isset($state['seen'][$id])) {
    answer(200, 'had it');
}
$state = apply($state, $_POST);
$state['seen'] = array_filter($state['seen'] ?? [], fn (int $time) => $time > time() - REMEMBER);
$state['seen'][$id] = time();

$json = json_encode($state, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE | JSON_PRETTY_PRINT | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
if (file_put_contents("$file.new", $json) !== strlen($json) || !rename("$file.new", $file)) {
    answer(500, 'cannot write');
}
answer(200, 'thank you');

/** Says why a request cannot be believed; '' if it can. */
function refusal(string $secret, string $id, string $timestamp, string $signatures, string $body): string
{
    $key = base64_decode(substr($secret, strlen('whsec_')), true);
    if (!str_starts_with($secret, 'whsec_') || $key === false || strlen($key) < 24) {
        return 'this receiver has no secret'; // with an empty key anybody could sign
    }
    if ($id === '' || !preg_match('/^[0-9]{1,12}$/D', $timestamp)) {
        return 'not signed';
    }
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    $signed = false;
    foreach (explode(' ', $signatures) as $signature) { // several while a secret is rotated
        $signed = hash_equals($expected, $signature) || $signed;
    }
    if (!$signed) {
        return 'signed with another secret';
    }
    return abs(time() - (int) $timestamp) > TOLERANCE ? 'too old or too new' : '';
}

/** Returns the state after an event. A type that it does not know changes nothing. */
function apply(array $state, array $event): array
{
    $person = $event['subscriber'] ?? $event['contact'] ?? []; // by the webhook's format
    $campaign = $event['campaign']['id'] ?? '';

    switch ($event['type']) {
        case 'subscribe':
            return membership($state, $event, $person, true);
        case 'unsubscribe':
            return membership($state, $event, $person, false);
        case 'update':
            return membership($state, $event, $person, null);
        case 'bounce': // hard: the address is gone for good
            return $event['bounce']['type'] === 'hard' ? membership($state, $event, $person, false) : $state;
        case 'open':
        case 'click':
        case 'forward':
        case 'share':
            $state['reactions'][$campaign][$event['type']] = ($state['reactions'][$campaign][$event['type']] ?? 0) + 1;
            return $state;
        case 'sent':
            $state['campaigns'][$campaign] = ['name' => $event['campaign']['name'], 'started' => $event['date_time']];
            return $state;
    }
    return $state;
}

/**
 * Keeps a person of a list as subscribed, as not, or (null) as before. Events
 * may arrive in another order than they happened in: what is older than what
 * is known changes nothing, so that nobody is subscribed again who has left.
 */
function membership(array $state, array $event, array $person, ?bool $subscribed): array
{
    $known = $state['lists'][$event['list']][$person['id']] ?? ['subscribed' => true, 'at' => 0];
    $at = strtotime($event['date_time']);
    if ($at >= $known['at']) {
        $state['lists'][$event['list']][$person['id']] =
            ['subscribed' => $subscribed ?? $known['subscribed'], 'at' => $at] + $person;
    }
    return $state;
}

function answer(int $status, string $text): never
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    exit("$text\n");
}
