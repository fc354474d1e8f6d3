<?php
// What a script can ask of the server; the test says which.
switch ($_GET['do'] ?? 'show') {
case 'show':
    header('Content-Type: text/plain');
    header('X-Script: ' . $_SERVER['SCRIPT_NAME']);
    foreach (['REQUEST_METHOD', 'SCRIPT_FILENAME', 'PATH_INFO', 'QUERY_STRING', 'REMOTE_ADDR', 'SERVER_PROTOCOL', 'HTTP_HOST',
              'HTTP_PROXY', 'HTTP_X_LIST', 'APP_ENV'] as $name) {
        echo $name, '=', $_SERVER[$name] ?? '(none)', "\n";
    }
    break;
case 'post':
    echo json_encode($_POST);
    break;
case 'digest':
    $body = fopen('php://input', 'rb');
    $hash = hash_init('sha256');
    echo hash_update_stream($hash, $body), ' ', hash_final($hash);
    break;
case 'upload':
    $file = $_FILES['file'];
    echo $file['error'], ' ', $file['size'], ' ', hash_file('sha256', $file['tmp_name']);
    break;
case 'stream':
    // The second part is not sent before the test has got the first one and made a file.
    echo "first\n";
    flush();
    for ($tries = 0; !file_exists($_GET['until']) && $tries < 2000; $tries++) {
        usleep(10000);
        clearstatcache();
    }
    echo "second\n";
    break;
case 'complain':
    error_log("something is\tamiss");
    http_response_code(503);
    echo 'not now';
    break;
case 'redirect':
    header('Location: /elsewhere');
    break;
case 'large':
    header('Content-Length: 10000000');
    for ($i = 0; $i < 100; $i++) {
        echo str_repeat('x', 100000);
    }
    break;
case 'empty':
    http_response_code(204);
    break;
}
