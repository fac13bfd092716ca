"""The vendor that peers call: where it is, the token to show it, how long to wait for it."""

import os

SEND = os.environ["VENDOR_URL"] + "/cgi-bin/message/send"
QUERY = {"access_token": os.environ["VENDOR_TOKEN"]}
CONNECT, READ = 3.05, 5.0  # seconds
LONGEST_TEXT = 2048
