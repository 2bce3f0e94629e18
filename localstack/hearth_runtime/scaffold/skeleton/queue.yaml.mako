  ${title}Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${stack}-${slug}"
      SqsManagedSseEnabled: true
      VisibilityTimeout: 60
      MessageRetentionPeriod: 345600
      RedrivePolicy: { deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 5 }
% if plugin:
  ${title}QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref ${title}Queue]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Sid: TlsOnly
            Effect: Deny
            Principal: "*"
            Action: sqs:*
            Resource: !GetAtt ${title}Queue.Arn
            Condition: { Bool: { "aws:SecureTransport": "false" } }
% endif
