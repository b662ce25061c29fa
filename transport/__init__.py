"""Transport security of the processes: TLS from files that may change, and the rule for open ports."""
