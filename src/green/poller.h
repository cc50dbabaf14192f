/*
 * poller.h - what poll.c, select.c and epoll.c share: parking on many descriptors, timeouts, and masks for the length of a call
 *
 * The kernel decides what is ready, and is asked anew after each wake-up; the hub only says when to ask.
 */
#ifndef GR_POLLER_H
#define GR_POLLER_H

#include "../base.h"
#include "../signal.h"
#include <errno.h>
#include <poll.h>
#include <time.h>

#define GR_AT_ONCE	0	/* as a deadline: look, but do not wait */

struct gr_poller {
	struct pollfd *fds;	/* ours, not the program's: the kernel too takes a copy of what is asked */
	size_t n;
	gr_time deadline;
	long (*ask)(struct gr_poller *);		/* without waiting: > 0 ready, 0 nothing, -errno */
	long (*offload)(struct gr_poller *);		/* the same, waiting until the deadline on a kernel thread */
	int ep;			/* an epoll descriptor with all of them, once needed; or -1 */
	unsigned misled;	/* times that the hub saw something and the kernel then did not */
};

/* Waits after ask() found nothing: what ask() says in the end, 0 at the deadline, or -EINTR, -ECANCELED, -ENOMEM.  Parks: yes. */
long gr_poller_wait(struct gr_poller *p);

/* Is there a signal for the calling greenlet that the kernel would end a wait for? */
bool gr_poller_interrupted(void);

/* raw() for calls that do not wait: a signal for some other greenlet is no reason for EINTR; and a signalfd shows what is pending for us */
#define gr_poller_raw(...) ({						\
	bool _shows = gr_signal_shows();				\
	uint64_t _set = 0;						\
	int _n = 0;							\
	long _r;							\
	if (_shows)							\
		_set = gr_signal_show(&_n);				\
	do								\
		_r = raw(__VA_ARGS__);					\
	while (_r == -EINTR && !_shows && !gr_poller_interrupted());	\
	if (_shows)							\
		gr_signal_take_back(_set, _n);				\
	_r;								\
})

/* 0, -EFAULT or -EINVAL; *ret_deadline: GR_NEVER without a timeout, GR_AT_ONCE for one of zero */
int gr_poller_deadline(const struct timespec *timeout, gr_time *ret_deadline);
gr_time gr_poller_deadline_ms(int timeout);

/* What is left of the time, never negative; and telling it to callers of ppoll() and pselect6() */
gr_time gr_poller_left(gr_time deadline);
void gr_poller_tell_left(struct timespec *timeout, gr_time deadline);

/*
 * The temporary mask of ppoll() and others.  read gives 0, -EINVAL, -EFAULT; begin is called when a first look found nothing, since what
 * is ready comes before signals that only this mask lets in; after -EINTR it stays until the handler has run.
 */
struct gr_poller_mask {
	bool given;
	uint64_t set;
};
int gr_poller_mask_read(struct gr_poller_mask *m, const uint64_t *mask, size_t size);
void gr_poller_mask_begin(const struct gr_poller_mask *m);
void gr_poller_mask_end(long r);

/* Memory for long lists; NULL when there is none */
void *gr_poller_scratch(size_t size);
void gr_poller_scratch_free(void *p, size_t size);
#define GR_FEW		64	/* as many are kept on the stack */

#endif
