"""The same work on Postern and on its peers, side by side. Not part of the service, nor of the tests."""
