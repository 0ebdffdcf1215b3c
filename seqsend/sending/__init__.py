"""What a transaction is, and what becomes of it."""
