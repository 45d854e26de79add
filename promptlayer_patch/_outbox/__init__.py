"""What was accepted and is not delivered yet: on disk, so that it outlives the process.

One file for each process and destination (`file`), locked for as long as its process lives; a later
process finds the ones whose owner is gone (`OutboxDirectory`) and delivers them.
"""

from promptlayer_patch._outbox.directory import Address, OutboxDirectory
from promptlayer_patch._outbox.items import Damaged, Item, Spool, Unusable
from promptlayer_patch._outbox.memory import MemorySpool

__all__ = ["Address", "Damaged", "Item", "MemorySpool", "OutboxDirectory", "Spool", "Unusable"]
