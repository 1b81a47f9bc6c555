"""Whether the service in this container is ready: exit code 0 or 1. The container's HEALTHCHECK."""

import http.client
import os
import ssl
import sys


def main():
    port = int(os.environ.get("SANDBOX_PORT", "3003"))
    if os.environ.get("SANDBOX_TLS_CERT"):
        # who answers is not in question, only whether: it is our own loopback, and the certificate has another name
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=4, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        return 0 if answer.status == 200 else f"/ready answers {answer.status}: {answer.read(300)!r}"
    except OSError as error:
        return f"/ready does not answer: {error}"


sys.exit(main())
