"""Holds one thread of another process still, as a loop that never ends would: `freeze-thread.py TID`. Lets it go when killed. Needs root."""
import ctypes
import os
import sys

SEIZE, INTERRUPT = 0x4206, 0x4207  # ptrace(2): unlike SIGSTOP, it stops this thread alone
WALL = 0x40000000
thread = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
for request in (SEIZE, INTERRUPT):
    if libc.ptrace(request, thread, None, None) != 0:
        sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")
os.waitpid(thread, WALL)
print("frozen", flush=True)
os.waitpid(thread, WALL)  # a traced thread that is killed stays until its tracer has seen it die, and its process with it
