<?php
/*
 * A receiver that believes only what is signed, does each thing once however
 * often it is sent, takes one event in a request or several, and tells the events
 * apart. It keeps who is subscribed, how people reacted to each campaign, and when
 * campaigns started. It runs on any PHP from 8.1.
 *
 * Events may arrive in another order than they happened in, above all those that
 * are sent again. The state does not depend on the order: what is older than what
 * is known changes nothing, and of one moment an unsubscription counts.
 *
 *   WEBHOOK_SECRET  the webhook's secret, whsec_...
 *   RECEIVER_STATE  the file to keep all that in; default state.json. It holds
 *                   personal data: keep it out of the folders that are served
 */

declare(strict_types=1);
ini_set('display_errors', '0'); // else PHP answers 200 to its own faults

const TOLERANCE = 300;          // seconds that the sender's clock may differ
const REMEMBER = 90 * 86400;    // seconds: longer than anything is sent again

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    answer(405, 'POST only');
}
$body = (string) file_get_contents('php://input');
$refusal = refusal(
    (string) getenv('WEBHOOK_SECRET'),
    $_SERVER['HTTP_WEBHOOK_ID'] ?? '',
    $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '',
    $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '',
    $body
);
if ($refusal !== '') {
    answer(401, $refusal);
}
$events = events($body);
foreach ($events ?: [[]] as $event) {
    if (!is_string($event['type'] ?? null) || text($event, 'id') === '') {
        answer(400, 'no event');
    }
}
$events = array_filter($events, fn (array $event) => !str_starts_with(text($event, 'id'), 'test_'));
if (!$events) {
    answer(200, 'it works'); // somebody pressed the button on the webhook's page
}

// One request at a time. Which events have been seen and what they changed are
// written together or not at all, because the answer is for all of them: with a
// database that is one transaction, and a table of ids with a unique key.
$file = getenv('RECEIVER_STATE') ?: 'state.json';
$lock = fopen("$file.lock", 'c');
if (!$lock || !flock($lock, LOCK_EX)) {
    answer(500, 'cannot lock'); // what is not answered with 2xx is sent again later
}
$state = is_file($file) ? json_decode(file_get_contents($file), true, flags: JSON_THROW_ON_ERROR) : [];
$state['seen'] = array_filter($state['seen'] ?? [], fn (int $time) => $time > time() - REMEMBER);
$had = count($state['seen']);
foreach ($events as $event) {
    $id = text($event, 'id');
    if (!isset($state['seen'][$id])) {
        $state = apply($state, $event, $id);
        $state['seen'][$id] = time();
    }
}
if (count($state['seen']) === $had) {
    answer(200, 'had it');
}

$json = json_encode($state, JSON_THROW_ON_ERROR | JSON_FORCE_OBJECT | JSON_INVALID_UTF8_SUBSTITUTE | JSON_PRETTY_PRINT | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
if (file_put_contents("$file.new", $json) !== strlen($json) || !rename("$file.new", $file)) {
    answer(500, 'cannot write');
}
answer(200, 'thank you');

/**
 * Returns the events of a body, which is a form or JSON by the webhook's format: one, or
 * several if the webhook is set so. What the headers say of an event that comes alone,
 * each of several says itself.
 */
function events(string $body): array
{
    $json = str_starts_with(strtolower($_SERVER['CONTENT_TYPE'] ?? ''), 'application/json');
    if (!$json && (!$_POST || substr_count($body, '&') >= (int) ini_get('max_input_vars'))) {
        answer(413, 'PHP did not read all of it: see max_input_vars and post_max_size');
    }
    $read = $json ? json_decode($body, true) : ($_POST['events'] ?? $_POST);
    if (isset($read['type'])) {
        $read = [[
            'id' => $_SERVER['HTTP_WEBHOOK_ID'] ?? '',
            'sequence' => $_SERVER['HTTP_WEBHOOK_SEQUENCE'] ?? '',
            'event_time' => $_SERVER['HTTP_WEBHOOK_EVENT_TIME'] ?? '',
        ] + $read];
    }
    $events = [];
    foreach (is_array($read) ? $read : [] as $event) {
        if (is_array($event) && $json) {
            $event['list'] = $event['lists'][0] ?? '0'; // a subscription and an unsubscription are for one list
        }
        $events[] = is_array($event) ? $event : [];
    }
    return $events;
}

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
function apply(array $state, array $event, string $delivery): array
{
    $happened = whole($event, 'event_time') ?: milliseconds(text($event, 'date_time'));
    $list = text($event, 'list') ?: '0'; // '0' is for no list: every list is concerned
    $person = block($event, 'subscriber') ?: block($event, 'contact'); // by the webhook's format
    $key = text($person, 'id') !== '' ? text($person, 'id') : strtolower(text($person, 'email')); // an app without IDs knows people by address
    $campaign = block($event, 'campaign');

    switch ($event['type']) {
        case 'open':
        case 'click':
        case 'forward':
        case 'share':
            $times = &$state['reactions'][text($campaign, 'id')][$event['type']];
            $times = ($times ?? 0) + 1;
            return $state;
        case 'sent':
            $known = &$state['campaigns'][text($campaign, 'id')];
            if ($happened >= ($known['at'] ?? 0)) {
                $known = ['name' => text($campaign, 'name'), 'started' => $event['date_time'], 'at' => $happened];
            }
            return $state;
    }
    if ($key === '') {
        return $state; // it names nobody
    }
    $at = moment($state, $key, whole($event, 'sequence'), $happened);
    $state['people'][$key] ??= ['email' => text($person, 'email'), 'first_name' => '', 'last_name' => '', 'told' => [0, ''], 'fields' => []];
    switch ($event['type']) {
        case 'subscribe':
            $state['lists'][$list][$key]['joined'] = max($state['lists'][$list][$key]['joined'] ?? 0, $at);
            describe($state['people'][$key], $person, [$at, "$event[type] $delivery"]);
            break;
        case 'unsubscribe':
            $state['lists'][$list][$key]['gone'] = max($state['lists'][$list][$key]['gone'] ?? 0, $at);
            break;
        case 'update': // it subscribes nobody: its subscriber may have left the list
            describe($state['people'][$key], $person, [$at, "$event[type] $delivery"]);
            break;
        case 'bounce': // hard: the address is gone for good, for every list
            $bounce = block($event, 'bounce');
            $address = strtolower(text($person, 'email'));
            if (text($bounce, 'type') === 'hard' && $address !== '') {
                $state['bounced'][$address] = text($bounce, 'code');
            }
    }
    foreach ($state['lists'] ?? [] as $list => $members) {
        foreach ($members as $member => $is) {
            $gone = max($is['gone'] ?? 0, $state['lists']['0'][$member]['gone'] ?? 0);
            $bounced = isset($state['bounced'][strtolower($state['people'][$member]['email'])]);
            $state['lists'][$list][$member]['subscribed'] = ($is['joined'] ?? 0) > $gone && !$bounced;
        }
    }
    return $state;
}

/**
 * Returns when an event counts as having happened, in Unix microseconds. That is its
 * time, but where that contradicts the sequence of its subscriber's events: the clocks
 * of two servers may differ, and a delivery that is sent again is still the older one.
 * An event without a sequence has its time alone. Times are milliseconds, so there is
 * room between two moments for an event that comes late.
 */
function moment(array &$state, string $subscriber, int $sequence, int $at): int
{
    $at *= 1000;
    if ($sequence === 0) {
        return $at;
    }
    $moments = $state['moments'][$subscriber] ?? [];
    $before = $after = null;
    foreach ($moments as $other => $known) {
        if ($other < $sequence) {
            $before = max($before ?? $known, $known);
        } elseif ($other > $sequence) {
            $after = min($after ?? $known, $known);
        }
    }
    if ($before !== null) {
        $at = max($at, $before + 1000);
    }
    if ($after !== null && $at >= $after) {
        $at = $before === null ? $after - 1000 : intdiv($before + $after, 2);
    }
    $moments[$sequence] = $at;
    ksort($moments);
    $state['moments'][$subscriber] = array_slice($moments, -100, preserve_keys: true);
    return $at;
}

/** Returns a time as a Unix time in milliseconds, which it has in JSON. */
function milliseconds(string $time): int
{
    $at = $time === '' ? false : date_create($time);
    return $at ? 1000 * $at->getTimestamp() + (int) $at->format('v') : throw new UnexpectedValueException('the event has no time');
}

/** Returns a positive number of an event; 0: it has none. */
function whole(array $event, string $key): int
{
    $text = text($event, $key);
    return preg_match('/^[1-9][0-9]{0,17}$/D', $text) ? (int) $text : 0;
}

/**
 * Keeps what an event says of a person, unless something later is known. $told is
 * when it happened, and, for events of one moment, its type and ID: an update
 * counts more than a subscription, and mostly the later of two. A field that was
 * cleared comes empty; one that does not come is as it was.
 */
function describe(array &$known, array $person, array $told): void
{
    if ($told > $known['told']) {
        foreach (['email', 'first_name', 'last_name'] as $name) {
            $known[$name] = text($person, $name);
        }
        $known['told'] = $told;
    }
    foreach (block($person, 'fields') as $field => $value) {
        if ($told > ($known['fields'][$field]['told'] ?? [0, ''])) {
            $known['fields'][$field] = ['value' => $value, 'told' => $told];
        }
    }
}

/** Returns a text or a whole number of an event; '' if it has none. */
function text(array $values, string $key): string
{
    $value = $values[$key] ?? null;
    return is_string($value) || is_int($value) ? (string) $value : '';
}

/** Returns a block of an event; an empty one if it has none. */
function block(array $values, string $key): array
{
    return is_array($values[$key] ?? null) ? $values[$key] : [];
}

function answer(int $status, string $text): never
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    exit("$text\n");
}
