/*
 * try.c - waiting between two tries, and vectors that were half transferred
 */
#include "try.h"
#include "../sched.h"
#include "../signal.h"
#include <poll.h>
#include <sys/mman.h>

long gr_try_wait(struct gr_try *t)
{
	int r;

	if (!t->waited) {
		if (!gr_fd_blocking(t->f))
			return -EAGAIN;
		t->waited = true;
		t->deadline = gr_is_socket(t->f) ? gr_deadline(t->f->timeo[t->dir]) : GR_NEVER;
	}
	r = gr_fd_wait(&t->w, t->dir, t->deadline);
	if (r == -ETIMEDOUT)
		return -EAGAIN;
	if (r == -EINTR)
		return t->deadline == GR_NEVER ? -GR_ERESTART : -EINTR;
	if (r == 0)
		t->f = gr_fd_get(t->w.fd);
	return r == 0 && !t->f ? -EBADF : r;
}

bool gr_try_ended(const struct gr_try *t)
{
	struct pollfd p = { .fd = t->w.fd, .events = POLLRDHUP };

	return t->waited && t->f && t->f->kind == GR_KIND_DGRAM && raw(SYS_poll, &p, 1, 0) == 1 && (p.revents & POLLRDHUP);
}

bool gr_ready_now(int fd, int dir)
{
	struct pollfd p = { .fd = fd, .events = dir == GR_READ ? POLLIN : POLLOUT };

	return raw(SYS_poll, &p, 1, 0) > 0;
}

int gr_iov_copy(struct gr_iov *to, const struct iovec *from, int n)
{
	long p;

	to->v = to->few;
	to->n = n;
	to->mapped = 0;
	if ((size_t)n > GR_LENGTH(to->few)) {
		p = raw(SYS_mmap, 0, n * sizeof(*from), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (raw_failed(p))
			return (int)p;
		to->v = to->map = (void *)p;
		to->mapped = n * sizeof(*from);
	}
	if (gr_user_read(to->v, from, n * sizeof(*from)) == 0)
		return 0;
	gr_iov_free(to);
	return -EFAULT;
}

void gr_iov_skip(struct gr_iov *iov, size_t n)
{
	while (iov->n && n >= iov->v->iov_len) {
		n -= iov->v->iov_len;
		iov->v++;
		iov->n--;
	}
	if (iov->n) {
		iov->v->iov_base = (char *)iov->v->iov_base + n;
		iov->v->iov_len -= n;
	}
}

void gr_iov_free(struct gr_iov *iov)
{
	if (iov->mapped)
		raw(SYS_munmap, iov->map, iov->mapped);
}

size_t gr_iov_bytes(const struct gr_iov *iov)
{
	size_t n = 0;

	for (int i = 0; i < iov->n; i++)
		n += iov->v[i].iov_len;
	return n;
}
