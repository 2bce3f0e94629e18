"""The endpoint that stands in for S3, SQS and CloudWatch, and what is provisioned there."""
