"""`python -m tests.faults`: the table of faults.

Its own module, since a spawned process finds nothing in a `__main__` of a package.
"""

from tests.faults.table import main

if __name__ == "__main__":
    main()
