"""How processes are set up and reached: settings, TLS from files that may change, the rule for open ports, probes."""
