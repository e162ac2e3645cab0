"""The fault suite: a known log goes down the real road while something hurts it; then ClickHouse is held to an oracle.

`test_short.py` runs in `make test`; `python -m tests.faults --rounds N --seed S` is the long one.
"""
