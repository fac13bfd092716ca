"""The vendor that peers call: where it is, the token to show it, how long to wait for it."""

import os

SEND = os.environ["VENDOR_URL"] + "/cgi-bin/message/send"
QUERY = {"access_token": os.environ["VENDOR_TOKEN"]}
CONNECT_SECONDS = 3.05
READ_SECONDS = 5.0
MAX_TEXT_CHARACTERS = 2048
