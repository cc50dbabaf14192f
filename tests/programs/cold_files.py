"""Four threads read pages that are not in memory, at random; what they find is checked."""
import os
import random
import sys
import threading

PAGES = 1024
wrong = []


def read(fd, seed):
    at = random.Random(seed)
    for _ in range(200):
        page = at.randrange(PAGES)
        if os.pread(fd, 4096, page * 4096) != page.to_bytes(4, "little") * 1024:
            wrong.append(page)


with open("pages", "wb") as f:
    for page in range(PAGES):
        f.write(page.to_bytes(4, "little") * 1024)
    f.flush()
    os.fsync(f.fileno())
fd = os.open("pages", os.O_RDONLY)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
threads = [threading.Thread(target=read, args=(fd, seed)) for seed in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("wrong:", wrong)
sys.exit(bool(wrong))
