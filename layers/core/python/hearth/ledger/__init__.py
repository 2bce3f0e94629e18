"""The ledger of asynchronous work, its queue consumer and its domain events."""
