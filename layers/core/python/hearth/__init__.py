"""What more than one Hearth function needs: errors, settings, logs, the ledger, storage, queues."""
