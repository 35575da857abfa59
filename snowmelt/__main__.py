"""`python -m snowmelt` is the same program as the `snowmelt` script."""

from snowmelt.cli import main

if __name__ == "__main__":
    main()
