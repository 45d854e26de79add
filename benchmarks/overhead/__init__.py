"""What recording costs a program, beside the bare library and beside other instrumentation of openai.

    python -m benchmarks.overhead [--quick] [--variants ...] [--kinds ...] [--rounds N] [--json FILE]

Every variant has an environment and a process of its own. One process at a time makes a block of calls,
which are answered from memory; what is recorded goes to a server on this machine. Quote the ratios: machines
differ.
"""
