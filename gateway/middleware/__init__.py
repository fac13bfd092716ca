"""What stands around an attempt, each ``(method, parts, following) -> handler``; ``gateway.chain`` has the order."""
