/*
 * futex.h - futex(2) for greenlets: the same words in the same memory, waiters parked here instead of in the kernel
 *
 * Keys are addresses, so FUTEX_PRIVATE_FLAG does not matter (pthread_join waits with a shared futex on private memory).
 * Only words in memory mapped MAP_SHARED, which another process may see, need the kernel's queues: such waits go to an offload
 * thread, such wakes to the kernel.  map.h knows which memory that is.
 */
#ifndef GR_FUTEX_H
#define GR_FUTEX_H

#include "base.h"
#include <linux/futex.h>
#include <stdint.h>
#include <time.h>

/* futex(2): results and errors as there.  @timeout_or_val2 is a struct timespec * or a number, as the operation says. */
long green_futex(uint32_t *uaddr, int op, uint32_t val, uintptr_t timeout_or_val2, uint32_t *uaddr2, uint32_t val3);

/* futex_waitv(2) */
long green_futex_waitv(struct futex_waitv *waiters, unsigned nr, unsigned flags, struct timespec *timeout, clockid_t clock);

/* What the kernel does when a thread ends: wake one waiter on the cleared tid word; mark and wake the robust mutexes held. */
int gr_futex_wake(uint32_t *uaddr, int n);
void gr_futex_exit_robust(void *robust_list_head, int tid);

/* fork child: the waiters belonged to greenlets that are not here */
void gr_futex_reset(void);

#endif
