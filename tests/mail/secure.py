"""A mail server that wants TLS and an account, for the test beside it.

usage: secure.py CERTIFICATE KEY MAILDIR STARTTLS_PORT TLS_PORT USER PASSWORD
"""

import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult

certificate, key, maildir, starttls_port, tls_port, user, password = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)


def authenticate(server, session, envelope, mechanism, given):
    print("account given by", mechanism, file=sys.stderr, flush=True)
    right = given.login == user.encode() and given.password == password.encode()
    return AuthResult(success=right, handled=False)


common = dict(hostname="127.0.0.1", authenticator=authenticate, auth_required=True)
mailbox = Mailbox(maildir)
# One of them knows only LOGIN, which some big providers insist on.
starttls = Controller(
    mailbox, port=int(starttls_port), tls_context=context, require_starttls=True,
    auth_exclude_mechanism=["PLAIN"], **common,
)
tls = Controller(mailbox, port=int(tls_port), ssl_context=context, auth_require_tls=False, **common)
starttls.start()
tls.start()
print("ready", flush=True)
sys.stdin.read()
