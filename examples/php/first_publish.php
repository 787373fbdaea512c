<?php
// A first publish: to one person over e-mail, WeChat and the app, then ask what became of it.
//
//     CAMPANILE_TOKEN=cpl_live_… php first_publish.php USER_ID [TITLE]

require __DIR__ . '/client.php';

$user = $argv[1] ?? exit("usage: first_publish.php USER_ID [TITLE]\n");
$title = $argv[2] ?? '图书馆：您预约的书已到';

try {
    $accepted = campanile('PublishService/Publish', [
        // The name of the event that caused the message: repeating the call never sends it twice.
        'idempotencyKey' => 'example:' . bin2hex(random_bytes(8)),
        // A program names people by a list; expressions are for people who write them.
        'audience' => ['users' => ['userIds' => [$user]]],
        'content' => ['inline' => ['title' => $title, 'body' => '请在三天内到**二层服务台**领取。',
            'link' => 'https://library.example.edu/holds']],
        'messageClass' => 'MESSAGE_CLASS_TRANSACTIONAL',
        'channels' => ['CHANNEL_EMAIL', 'CHANNEL_WECHAT', 'CHANNEL_APP'],
    ]);
} catch (Refused $refused) {
    ['reason' => $reason, 'field' => $field, 'message' => $message] = $refused->refusal;
    echo "refused: $reason $field $message\n";
    exit(1);
}
echo "accepted: {$accepted['messageId']} for {$accepted['recipientCount']} person\n";

for ($state = '', $i = 0; $state !== 'MESSAGE_STATE_FINISHED' && $i < 300; $i++) {
    usleep(200_000);
    $message = campanile('PublishService/GetMessage', ['messageId' => $accepted['messageId']])['message'];
    $state = $message['state'];
}
$counts = array_map(fn ($count) => "{$count['channel']} sent " . ($count['sent'] ?? 0), $message['counts']);
echo "$state: " . implode(', ', $counts) . "\n";
