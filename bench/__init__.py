"""Load generator: what the service does in a second, against what it could do.

    python -m bench                     # or: make bench
    python -m bench --rounds 5 --json bench.json

It starts serving and a gateway of its own on free ports, and callers in processes beside them.
Linux only: it reads the processor time and the memory of the gateway from /proc.
"""
