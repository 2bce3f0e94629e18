"""Language models: chat clients, a chain of providers, and a circuit breaker for each."""
