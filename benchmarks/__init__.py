"""What is measured, and how: `python -m benchmarks` (or `make bench`) runs all and prints one table."""
