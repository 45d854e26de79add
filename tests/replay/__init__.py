"""Recorded OpenAI traffic of other projects, played through the real openai client.

`cases` reads the recordings, `transport` answers with them in place of the network, `clients` finds the
methods on the installed openai, `playing` makes one call and writes down everything the application could
notice, `comparing` says where two such accounts differ, `multipart` reads form bodies, `expecting` says what
the record of a call must hold, and `tally` counts.
"""
