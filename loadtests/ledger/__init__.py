"""What the ledger bears and costs."""
