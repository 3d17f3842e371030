"""What every case works with: the daemon, its client with a ledger of its own, and the judge."""
