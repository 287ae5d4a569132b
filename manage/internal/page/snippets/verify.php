<?php

// Returns whether a request comes from us. The names in $headers are in lower case,
// and $body holds the bytes as they were sent.
function verify_webhook(string $secret, array $headers, string $body): bool
{
    $id = $headers['webhook-id'] ?? '';
    $timestamp = $headers['webhook-timestamp'] ?? '';
    if (!preg_match('/^\d+$/D', $timestamp) || abs(time() - (int) $timestamp) > 300) {
        return false; // too old: somebody may have recorded it
    }
    $key = base64_decode(substr($secret, strlen('whsec_')));
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    foreach (explode(' ', $headers['webhook-signature'] ?? '') as $signature) {
        if (hash_equals($expected, $signature)) {
            return true;
        }
    }
    return false;
}

// $headers = array_change_key_case(getallheaders());
// $body = file_get_contents('php://input'); // before $_POST is used
// if (!verify_webhook(getenv('WEBHOOK_SECRET'), $headers, $body)) {
//     http_response_code(401);
//     exit;
// }
