"""Which methods of openai are recorded, which are not, and why: a line for each, a file for each version.

`surface` finds the methods an openai has, `decisions` says what becomes of each, `listing` is the format of
the files, and `generate` (`make manifest`) writes them, for a person to read and commit.
"""
