"""Parts of tools/bench_decode.py."""
