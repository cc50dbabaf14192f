/*
 * try.h - one blocking call on one descriptor: try without blocking, wait, try again
 *
 * Nothing is asked of the kernel beforehand: whether the descriptor is non-blocking matters only once a try came back with EAGAIN.
 */
#ifndef GR_TRY_H
#define GR_TRY_H

#include "../clock.h"
#include "../fd.h"
#include "../raw.h"
#include <errno.h>
#include <sys/uio.h>

struct gr_try {
	struct gr_fd_wait w;		/* w.fd: the descriptor to try on */
	struct gr_fd *f;
	int dir;
	bool waited;
	gr_time deadline;		/* from SO_RCVTIMEO, SO_SNDTIMEO, counted from the first wait */
};

/* false: not open, or never blocks; the call goes straight to the kernel */
static inline bool gr_try_begin(struct gr_try *t, int fd, int dir)
{
	t->w = (struct gr_fd_wait){ .fd = fd };
	t->f = gr_fd_get(fd);
	t->dir = dir;
	t->waited = false;
	return t->f && t->f->kind != GR_KIND_OTHER && !t->f->own;
}

/* After EAGAIN: 0, try again; or what the call has to return.  Parks. */
long gr_try_wait(struct gr_try *t);

/* A datagram socket that was shut down for receiving tells its end only to who would wait, and EAGAIN to others: after a wait and another
 * EAGAIN, is this it?  Then a call that waits returns at once. */
bool gr_try_ended(const struct gr_try *t);

static inline void gr_try_end(struct gr_try *t)
{
	if (t->w.moved)
		gr_fd_wait_end(&t->w);
}

/* All is written that was to be. */
static inline void gr_try_wrote(struct gr_try *t)
{
	if (GR_UNLIKELY(t->waited && t->f))
		gr_fd_room_left(t->f);
}

static inline bool gr_is_socket(const struct gr_fd *f)
{
	return f->kind == GR_KIND_STREAM || f->kind == GR_KIND_DGRAM;
}

/* Is @fd ready for @dir now? */
bool gr_ready_now(int fd, int dir);

/*
 * What is left of a vector after a partial transfer.  The program's vector must have been accepted by the kernel once.
 * gr_iov_copy: 0, -EFAULT, -ENOMEM; gr_iov_skip: forward by @n bytes; gr_iov_free when done.
 */
struct gr_iov {
	struct iovec few[8];
	struct iovec *v;
	int n;
	void *map;			/* holds a long vector */
	size_t mapped;
};
int gr_iov_copy(struct gr_iov *to, const struct iovec *from, int n);
void gr_iov_skip(struct gr_iov *iov, size_t n);
void gr_iov_free(struct gr_iov *iov);
size_t gr_iov_bytes(const struct gr_iov *iov);

#endif
