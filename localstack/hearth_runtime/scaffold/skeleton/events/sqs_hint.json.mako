{
  "Records": [
    {
      "messageId": "5f0b3c1e-6d2a-4a57-9c1d-0e8b7a6f5d4c",
      "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a==",
      "body": "{\"job_id\":\"01KAJQ6T1M5W8Y2Z3X4V5B6N7M\",\"kind\":\"${slug}.work\"}",
      "attributes": {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1795251600000",
        "SenderId": "123456789012",
        "ApproximateFirstReceiveTimestamp": "1795251600100"
      },
      "messageAttributes": {},
      "md5OfBody": "00000000000000000000000000000000",
      "eventSource": "aws:sqs",
      "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:hearth-${slug}",
      "awsRegion": "eu-central-1"
    }
  ]
}
