<?php
/*
 * A receiver of the kind that the announcement of January 2013 shows: see
 * whether a subscriber came, then use the fields. It runs on any PHP from 7.2.
 *
 *   RECEIVER_LOG  the file to write a line to; default subscribers.log. It holds
 *                 personal data: keep it out of the folders that are served
 *
 * What comes is data from strangers: it is written as JSON, and becomes no
 * HTML, no SQL and no file's name. Nothing proves who sent it: verified.php
 * does that.
 */

ini_set('display_errors', '0'); // else PHP answers 200 to its own faults

if (isset($_POST['subscriber']['id'])) {
    $subscriber = $_POST['subscriber'];

    $fields = array();
    if (isset($subscriber['fields'])) {
        foreach ($subscriber['fields'] as $id => $value) {
            $fields[] = array('field' => (string) $id, 'value' => $value);
        }
    }

    $line = json_encode(array(
        'happened'   => $_POST['type'],
        'at'         => $_POST['date_time'],
        'list'       => $_POST['list'],
        'subscriber' => $subscriber['id'],
        'email'      => $subscriber['email'],
        'name'       => trim($subscriber['first_name'] . ' ' . $subscriber['last_name']),
        'fields'     => $fields,
    ), JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES) . "\n";

    // What is not answered with 2xx is sent again later.
    $log = getenv('RECEIVER_LOG') ? getenv('RECEIVER_LOG') : 'subscribers.log';
    if (file_put_contents($log, $line, FILE_APPEND | LOCK_EX) !== strlen($line)) {
        http_response_code(500);
    }
}
