"""The rule for ports that others can reach."""

from braintumor.loopback import is_loopback

from transport.tls_settings import ServerTls


def refusal(process: str, address: str, tls: ServerTls | None, knows_callers: bool, insecure: bool) -> str | None:
    """Tells why a process may not listen on an address; None where it may.

    Where others can reach it, it needs TLS, and has to know its callers: by tokens, or by their certificates. On
    loopback it needs neither, and where it was told `insecure` it does not either.

    Args:
      process: its name, as in the prefix of its settings.
      address: "host:port".
      tls: of the port.
      knows_callers: whether it checks tokens.
      insecure: whether it was told to do without.
    """
    if insecure or is_loopback(address):
        return None
    missing = [] if tls else ["TLS"]
    if not (knows_callers or (tls and tls.client_ca)):
        missing.append("way to know its callers")
    if not missing:
        return None
    prefix = process.upper()
    return (
        f"The {process} does not start: others can reach {address}, and it has no {' and no '.join(missing)}. "
        f'Set {prefix}_TLS__CERTIFICATE and {prefix}_TLS__KEY, and how callers are known (README, "Let others in"); '
        f"or listen on 127.0.0.1; or, where something else protects the port, set {prefix}_INSECURE=true."
    )
