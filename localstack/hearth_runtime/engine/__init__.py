"""The execution environment of functions: instances, replicas, Runtime API, memory."""
