<?php
// What every PHP client of Campanile needs: a call as JSON over HTTP. No extension and no package is used.

final class Refused extends RuntimeException
{
    /** @param array{code: int, reason: string, field: string, message: string, metadata: array} $refusal */
    public function __construct(public readonly array $refusal)
    {
        parent::__construct($refusal['message'], $refusal['code']);
    }

    /** Repeating with the same key is safe then: UNAVAILABLE, ABORTED and DEADLINE_EXCEEDED. */
    public function isTemporary(): bool
    {
        return in_array($this->refusal['code'], [4, 10, 14], true);
    }
}

/**
 * Calls a method such as `PublishService/Publish` and returns the answer.
 *
 * @throws Refused with the reason, the field and a sentence
 */
function campanile(string $method, array $request): array
{
    $url = getenv('CAMPANILE_HTTP_URL') ?: 'http://127.0.0.1:7780';
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => [
            'authorization: Bearer ' . getenv('CAMPANILE_TOKEN'),
            'content-type: application/json',
            'accept-language: zh-CN',
        ],
        // An empty PHP array would be a JSON list.
        'content' => json_encode($request ?: new stdClass(), JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR),
        'timeout' => 30,
        'ignore_errors' => true,
    ]]);
    $body = @file_get_contents("$url/campanile.v1.$method", false, $context);
    if ($body === false) {
        throw new Refused(['code' => 14, 'reason' => 'UNREACHABLE', 'field' => '',
            'message' => "$url does not answer; repeat with the same key.", 'metadata' => []]);
    }
    $answer = json_decode($body, true, 64, JSON_THROW_ON_ERROR);
    if (!str_contains($http_response_header[0], ' 200 ')) {
        throw new Refused($answer);
    }
    return $answer;
}
