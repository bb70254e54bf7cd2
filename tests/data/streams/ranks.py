"""Threads that stand for the processes of MPI."""

import threading
from concurrent.futures import ThreadPoolExecutor


class Meeting:
    """An all-to-all of threads."""

    def __init__(self, size):
        self.size, self.table = size, {}
        self.barrier = threading.Barrier(size, timeout=20)

    def of(self, rank):
        def exchange(given):
            self.table[rank] = list(given)
            self.barrier.wait()
            found = [self.table[other][rank] for other in range(self.size)]
            self.barrier.wait()
            return found

        return exchange


def in_ranks(size, work):
    meeting = Meeting(size)
    with ThreadPoolExecutor(size) as pool:
        return [future.result() for future in [pool.submit(work, rank, meeting.of(rank)) for rank in range(size)]]


class Rank:
    """One of them, as `stream` takes it."""

    def __init__(self, rank, size, exchange):
        self.rank, self.size, self.exchanged = rank, size, exchange
