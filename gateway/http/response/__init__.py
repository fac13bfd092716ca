"""An answer off a connection: its head, its framing, its coding, whole or piece by piece.

parser = ResponseParser(no_body=False, limit=MAX_BODY_BYTES)
parser.feed(connection.receive(until))
"""
