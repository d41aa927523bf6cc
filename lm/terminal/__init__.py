"""The board in a terminal: a game against any player by typing moves, an analysis, and records to step through.

It works in a window of 80 columns and 24 rows, which it redraws, and through a pipe, line by line.
"""
