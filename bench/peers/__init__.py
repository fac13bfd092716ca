"""What Postern is measured against: the same call as one would write it by hand, one service each."""
