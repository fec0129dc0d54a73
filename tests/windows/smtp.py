"""A mail server for tests, on loopback: takes every mail and appends it to a file. smtp.py PORT FILE"""

import sys
import time

from aiosmtpd.controller import Controller


class Keep:
    async def handle_DATA(self, server, session, envelope):
        with open(sys.argv[2], "ab") as kept:
            kept.write(f"=== to {', '.join(envelope.rcpt_tos)}\n".encode() + envelope.content + b"\n")
        return "250 2.0.0 kept"


Controller(Keep(), hostname="127.0.0.1", port=int(sys.argv[1])).start()
print("listening", flush=True)
while True:
    time.sleep(3600)
