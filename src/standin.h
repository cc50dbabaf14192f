/*
 * standin.h - a kernel thread that lends its tid to a greenlet, for locks that other processes share
 *
 * The word of a robust or PI mutex names its owner by tid.  The kernel looks at it when that thread dies, or when somebody who is not under
 * grove waits for the lock with FUTEX_LOCK_PI, and it knows no greenlets.  So a greenlet that may come to hold such a lock has a
 * stand-in from birth: its tid is that of a real thread, which sleeps, has the greenlet's robust list, and makes the
 * PI calls that the kernel wants made by the owner itself.  When the process is killed the kernel finds the locks as it would in a bare one.
 *
 * Greenlets get one while the program has memory that others share, and some code of it asks for mutexes that are shared and either robust
 * or PI (it imports the functions for that).  The main thread is a kernel thread anyhow.  A greenlet made before both were so has none: see futex_pi.c.
 */
#ifndef GR_STANDIN_H
#define GR_STANDIN_H

#include "base.h"

struct gr_greenlet;
struct gr_standin;

/* Should greenlets made now have one? */
bool gr_standin_wanted(void);

/* @g, which has not begun to run, gets one and its tid, or, if no thread can be made, not. */
void gr_standin_give(struct gr_greenlet *g, uintptr_t tls);

/* set_robust_list(2) by @g's stand-in.  Parks: yes. */
void gr_standin_robust(struct gr_standin *s, void *head);

/* futex(2) by the stand-in; the result.  Parks: yes, and handlers of signals run meanwhile, but nothing ends it. */
long gr_standin_futex(struct gr_standin *s, uint32_t *uaddr, int op, const void *timeout);

/* Wait until the PI lock would have been ours: by a thread made for that, which lets go of it at once.  0 or -errno.  Parks: yes. */
long gr_standin_wait_for(uint32_t *uaddr, int op, const void *timeout);

/* @s ends as the greenlet does: the kernel sees to the locks it holds. */
void gr_standin_end(struct gr_standin *s);

/* Has a greenlet this tid from a stand-in?  For native threads, which cannot look for greenlets. */
bool gr_standin_is(int tid);

/* fork child */
void gr_standin_reset(void);

#endif
