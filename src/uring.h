/*
 * uring.h - reading cold pages of files and waiting for shared futexes through io_uring, without a thread
 *
 * One ring per process, made at first need; nothing of liburing's, which would call libc.  It is used for what the kernel does without a
 * worker thread: reads at a given place on file systems and disks whose pages tell when they have come (GR_SPEED_ASYNC in mounts.h).  Workers
 * would stay for the life of the process, and unshare(CLONE_NEWUSER) is refused to a process with threads.  Completions kick the hub.
 *
 * There is none where the kernel has none, where a sysctl or a filter forbids it, or once the program has installed a filter of its own.
 */
#ifndef GR_URING_H
#define GR_URING_H

#include "base.h"
#include <sys/types.h>
#include <sys/uio.h>

/*
 * gr_uring_readv - what preadv() returns, however long it takes
 * Parks: yes; nothing breaks it off.  -EOPNOTSUPP: there is no ring, or it is full: offload the call.
 */
long gr_uring_readv(int fd, const struct iovec *iov, int n, off_t at);

/*
 * gr_uring_futex_wait - FUTEX_WAIT_BITSET in the kernel's queues, among other processes' waiters, without a thread
 * @flags: FUTEX_PRIVATE_FLAG or 0.  Parks: yes; signals, @deadline and what limits the greenlet break it off.
 * As futex(2), or what broke it off: -EINTR, -ETIMEDOUT, -GR_EBROKEN.  -EOPNOTSUPP: there is no ring, or a kernel before 6.7.
 */
long gr_uring_futex_wait(const uint32_t *uaddr, unsigned flags, uint32_t val, uint32_t bitset, gr_time deadline);

/* The hub was kicked: wake who has got his pages, or was woken. */
void gr_uring_done(void);

/* Must the hub enter the kernel, where completions are made, or look at some? */
bool gr_uring_busy(void);

/* The program's filter may kill who calls what the program does not. */
void gr_uring_forbid(void);

void gr_uring_fork_child(void);

uint64_t gr_uring_reads(void);			/* how many ever, for people */

#endif
