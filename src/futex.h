/*
 * futex.h - futex(2) for greenlets: the same words in the same memory, waiters parked here instead of in the kernel
 *
 * As in the kernel, waits and wakes with FUTEX_PRIVATE_FLAG and those without do not meet, although the memory be the same (pthread_join
 * waits with a shared futex on private memory).
 * Only words in memory mapped MAP_SHARED, which another process may see, need the kernel's queues: such waits go through io_uring or to an
 * offload thread, such wakes to the kernel.  map.h knows which memory that is.
 *
 * While the program has kernel threads that are not greenlets (carrier->natives), every word may have waiters on both sides.  Native threads
 * wait in the kernel, greenlets here, and wakes reach both: those by greenlets go here first and on to the kernel, those by native
 * threads, whose calls come through the gate as well, to the kernel first and on to us (futex_native.c).  What a native thread's
 * wake returns counts native threads only.  Not heard of are wakes by code whose `syscall` instructions were not rewritten: a library
 * that brings its own and was loaded by a native thread.  Where some could not be rewritten (carrier->ungated), and once a process runs
 * in our memory (carrier->vm_child), greenlets wait in the kernel.
 *
 * Priority inheritance: there is one kernel thread, so nothing to inherit; what is kept is the protocol of the word (owner tid,
 * FUTEX_WAITERS, FUTEX_OWNER_DIED) and handing over to the first waiter.  PI locks that other processes may see are the kernel's: standin.h.
 * FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI, which glibc has not used since 2.25, fail with ENOSYS, as on kernels without them.
 */
#ifndef GR_FUTEX_H
#define GR_FUTEX_H

#include "base.h"
#include <linux/futex.h>
#include <stdint.h>
#include <time.h>

/*
 * futex(2): results and errors as there.  @timeout_or_val2 is a struct timespec * or a number, as the operation says.
 * Parks: FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_LOCK_PI, FUTEX_LOCK_PI2.  A signal ends a wait with -GR_ERESTART, a wait with a timeout with
 * -EINTR, and a PI lock not at all: handlers run, and it goes on, as in the kernel.
 */
long green_futex(uint32_t *uaddr, int op, uint32_t val, uintptr_t timeout_or_val2, uint32_t *uaddr2, uint32_t val3);

/* futex_waitv(2) */
long green_futex_waitv(struct futex_waitv *waiters, unsigned nr, unsigned flags, struct timespec *timeout, clockid_t clock);

/* futex_wait(2), futex_wake(2), futex_requeue(2) (futex_sized.c) */
long green_futex_wait(uint32_t *uaddr, uint64_t val, uint64_t mask, unsigned flags, struct timespec *timeout, clockid_t clock);
long green_futex_wake(uint32_t *uaddr, uint64_t mask, int n, unsigned flags);
long green_futex_requeue(const struct futex_waitv *words, unsigned flags, int n, int move);

/* Is @nr one of these calls?  By a native thread: the kernel's, known to greenlets that wake, and for those that wait here. */
bool gr_futex_is_call(long nr);
long gr_futex_native_call(long nr, long a, long b, long c, long d, long e, long f);

/* Wake up to @n waiters on @uaddr, here and in the kernel: what the kernel does with a cleared tid word.  Returns how many. */
int gr_futex_wake(uint32_t *uaddr, int n);

/*
 * The greenlet with @tid ends, or the process: mark the robust mutexes on its list FUTEX_OWNER_DIED and wake one waiter of each; hand the PI
 * locks it holds to their first waiters.  @robust_list_head is what set_robust_list(2) was given, or NULL; it may be a bad pointer.
 */
void gr_futex_exit_robust(void *robust_list_head, int tid);

/* Wake everybody who waits here without priority inheritance, as a spurious wake-up: a change of where to wait. */
void gr_futex_wake_all(void);

/* fork child: the waiters belonged to greenlets that are not here */
void gr_futex_reset(void);

#endif
