"""What benchmark.py can measure, one module a name."""
