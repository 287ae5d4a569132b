<?php
// Answers with $_POST as JSON that keeps every byte: an array as a list of
// pairs, keys and texts in base64.
function bytes($value)
{
    if (!is_array($value)) {
        return base64_encode($value);
    }
    $pairs = [];
    foreach ($value as $key => $inner) {
        $pairs[] = [base64_encode((string) $key), bytes($inner)];
    }
    return $pairs;
}

echo json_encode(bytes($_POST), JSON_THROW_ON_ERROR);
