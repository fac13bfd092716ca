"""Arithmetic only, given a clock: policies decide, somebody else waits or sends."""
