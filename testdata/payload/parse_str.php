<?php
// Reads forms, one a line in base64, the way PHP fills $_POST, and prints for
// each a line of JSON: a list of [path, text], everything in base64, so that
// any bytes pass.

function variables(array $in, array $path): array {
    $out = [];
    foreach ($in as $name => $text) {
        $at = [...$path, base64_encode((string) $name)];
        if (is_array($text)) {
            array_push($out, ...variables($text, $at));
        } else {
            $out[] = [$at, base64_encode($text)];
        }
    }
    return $out;
}

while (($line = fgets(STDIN)) !== false) {
    $post = [];
    parse_str(base64_decode($line, true), $post);
    echo json_encode(variables($post, [])), "\n";
}
