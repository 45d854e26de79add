"""Our own cassettes: what `make record` records into `cassettes/`, and how the tests read it back.

`scenarios` says which calls are made, `session` makes those of one scenario with promptlayer_patch installed,
`aimock` and `promptlayer` are the two servers they reach while recording, `tape` is the format of the files
and decides which recorded request a request of today is, and `scrub` takes out the keys and what differs from
run to run.
"""
