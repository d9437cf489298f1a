"""Faults on purpose against whole installations, with a ledger of what was promised.

`make chaos` runs every row at full size; CI runs them small.
"""
