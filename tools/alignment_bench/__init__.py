"""Parts of tools/bench_alignment.py."""
