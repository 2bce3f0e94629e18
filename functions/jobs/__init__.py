"""Shows the ledger of asynchronous work."""
