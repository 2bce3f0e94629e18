"""The HTTP API as API Gateway has it, the Invoke API and the control server."""
