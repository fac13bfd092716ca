"""The same work on Postern and on its peers. Not part of the service, nor of the tests."""
