"""The peers of Postern: the same call as one would write it by hand, one service each."""
