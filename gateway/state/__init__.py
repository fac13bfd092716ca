"""What a process remembers between calls and over reloads; ``gateway.runtime`` lists it.

budget = RetryBudget(clock)
budget.record_call()
"""
