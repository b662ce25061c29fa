"""How processes are set up and reached: settings, TLS from files that may change, open ports, threads, probes."""
