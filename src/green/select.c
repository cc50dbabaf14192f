/*
 * select.c - select and pselect6
 *
 * The kernel's call overwrites the sets it is given, so it is always given copies; the program's own are written once, on success.
 */
#include "../clock.h"
#include "../offload.h"
#include "../raw.h"
#include "../signal.h"
#include "green.h"
#include "poller.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>

#define BITS		64		/* of a word of a set */
#define FEW_BITS	1024		/* FD_SETSIZE: the copies of sets as large as this are kept on the stack */
#define MOST_BITS	(1 << 20)	/* the kernel's fs.nr_open; like the kernel, we look at no more than can be open */
#define COPIES		7

struct sets {
	struct gr_poller poller;
	struct gr_poller_mask mask;
	int n;				/* bits in use */
	size_t words;
	unsigned long *user[3];		/* the program's: in, out, exceptional; each may be NULL */
	unsigned long *want[3];		/* copies of these */
	unsigned long *got[3];		/* what the kernel made of them */
	unsigned long *closed;		/* descriptors that were open when we began to wait */
};

static const short events_of[3] = { POLLIN, POLLOUT, POLLPRI };

static bool in_set(const unsigned long *set, int fd)
{
	return (set[fd / BITS] >> (fd % BITS)) & 1;
}

static bool wanted(const struct sets *s, int fd)
{
	return in_set(s->want[0], fd) || in_set(s->want[1], fd) || in_set(s->want[2], fd);
}

static long count_bits(unsigned long word)
{
	long n = 0;

	for (; word; word &= word - 1)
		n++;
	return n;
}

static unsigned long *given(const struct sets *s, int k)
{
	return s->user[k] ? s->got[k] : NULL;
}

static void take_copies(struct sets *s)
{
	for (int k = 0; k < 3; k++)
		for (size_t i = 0; i < s->words; i++)
			s->got[k][i] = s->want[k][i] & ~s->closed[i];
}

static long look(struct sets *s)
{
	struct timeval at_once = { 0, 0 };

	take_copies(s);
	return gr_poller_raw(SYS_select, s->n, given(s, 0), given(s, 1), given(s, 2), &at_once);
}

static void find_closed(struct sets *s)
{
	for (int fd = 0; fd < s->n; fd++)
		if (wanted(s, fd) && raw(SYS_fcntl, fd, F_GETFD) == -EBADF)
			s->closed[fd / BITS] |= 1ul << (fd % BITS);
}

/* A descriptor that was closed while select() waits for it counts as ready (since Linux 5.17); a new call would say EBADF. */
static long look_past_closed(struct sets *s)
{
	long n = 0, r;

	find_closed(s);
	r = look(s);
	for (int k = 0; k < 3; k++)
		for (size_t i = 0; i < s->words; i++) {
			s->got[k][i] |= s->want[k][i] & s->closed[i];
			n += count_bits(s->got[k][i]);
		}
	return r < 0 ? r : n;
}

static long ask(struct gr_poller *p)
{
	struct sets *s = gr_container(p, struct sets, poller);
	long r = look(s);

	return r == -EBADF ? look_past_closed(s) : r;
}

static long offload(struct gr_poller *p)
{
	struct sets *s = gr_container(p, struct sets, poller);
	struct timespec left;

	take_copies(s);
	gr_to_timespec(gr_poller_left(p->deadline), &left);
	return gr_offload(SYS_pselect6, s->n, (long)given(s, 0), (long)given(s, 1), (long)given(s, 2),
			  p->deadline == GR_NEVER ? 0 : (long)&left, 0);
}

/* --- waiting ---------------------------------------------------------------------------------------------------------------- */

static size_t count_wanted(const struct sets *s)
{
	size_t n = 0;

	for (int fd = 0; fd < s->n; fd++)
		n += wanted(s, fd);
	return n;
}

static long wait_with(struct sets *s, struct pollfd *fds)
{
	struct gr_poller *p = &s->poller;

	p->fds = fds;
	for (int fd = 0; fd < s->n; fd++) {
		struct pollfd pfd = { .fd = fd };

		for (int k = 0; k < 3; k++)
			if (in_set(s->want[k], fd))
				pfd.events |= events_of[k];
		if (pfd.events)
			fds[p->n++] = pfd;
	}
	p->ask = ask;
	p->offload = offload;
	return gr_poller_wait(p);
}

static long wait_few(struct sets *s, size_t n)
{
	struct pollfd fds[n + 1];

	return wait_with(s, fds);
}

static long wait_any(struct sets *s)
{
	size_t n = count_wanted(s), size = n * sizeof(struct pollfd);
	struct pollfd *fds;
	long r;

	if (n <= GR_FEW)
		return wait_few(s, n);
	fds = gr_poller_scratch(size);
	if (!fds)
		return -ENOMEM;
	r = wait_with(s, fds);
	gr_poller_scratch_free(fds, size);
	return r;
}

/* --- the call ----------------------------------------------------------------------------------------------------------------- */

static int read_sets(struct sets *s)
{
	for (int k = 0; k < 3; k++)
		if (s->user[k] && gr_user_read(s->want[k], s->user[k], s->words * sizeof(long)) < 0)
			return -EFAULT;
	/* no one cares for the bits after the last, and nothing is to be found there */
	for (int k = 0; s->n % BITS && k < 3; k++)
		s->want[k][s->words - 1] &= (1ul << (s->n % BITS)) - 1;
	return 0;
}

static int write_sets(const struct sets *s)
{
	for (int k = 0; k < 3; k++)
		if (s->user[k] && gr_user_write(s->user[k], s->got[k], s->words * sizeof(long)) < 0)
			return -EFAULT;
	return 0;
}

static long select_with(struct sets *s, unsigned long *memory)
{
	long r;

	memset(memory, 0, COPIES * s->words * sizeof(long));
	for (int k = 0; k < 3; k++) {
		s->want[k] = memory + (size_t)k * s->words;
		s->got[k] = memory + (size_t)(k + 3) * s->words;
	}
	s->closed = memory + 6 * s->words;
	r = read_sets(s);
	if (r == 0)
		r = look(s);
	if (r == 0)
		gr_poller_mask_begin(&s->mask);
	if (r == 0 && s->poller.deadline != GR_AT_ONCE)
		r = wait_any(s);
	else if (r == 0 && gr_poller_interrupted())
		r = -EINTR;
	if (r >= 0 && write_sets(s) < 0)
		r = -EFAULT;
	return r;
}

static long select_few(struct sets *s)
{
	unsigned long memory[COPIES * s->words + 1];

	return select_with(s, memory);
}

static long select_until(struct sets *s)
{
	size_t size;
	unsigned long *memory;
	long r;

	if (s->n < 0)
		return -EINVAL;
	if (s->n > MOST_BITS)
		s->n = MOST_BITS;
	s->words = ((size_t)s->n + BITS - 1) / BITS;
	if (s->n <= FEW_BITS)
		return select_few(s);
	size = COPIES * s->words * sizeof(long);
	memory = gr_poller_scratch(size);
	if (!memory)
		return -ENOMEM;
	r = select_with(s, memory);
	gr_poller_scratch_free(memory, size);
	return r;
}

/* As the kernel reckons: too many microseconds are carried over, even negative ones. */
static int timeval_deadline(const struct timeval *timeout, gr_time *ret_deadline)
{
	struct timeval tv;
	struct timespec ts;

	*ret_deadline = GR_NEVER;
	if (!timeout)
		return 0;
	if (gr_user_read(&tv, timeout, sizeof(tv)) < 0)
		return -EFAULT;
	if (__builtin_add_overflow(tv.tv_sec, tv.tv_usec / 1000000, &ts.tv_sec))
		return -EINVAL;
	ts.tv_nsec = tv.tv_usec % 1000000 * 1000;
	if (!gr_timespec_ok(&ts))
		return -EINVAL;
	*ret_deadline = ts.tv_sec || ts.tv_nsec ? gr_deadline(gr_from_timespec(&ts)) : GR_AT_ONCE;
	return 0;
}

long green_select(int n, unsigned long *in, unsigned long *out, unsigned long *ex, struct timeval *timeout)
{
	struct sets s = { .n = n, .user = { in, out, ex } };
	long r = timeval_deadline(timeout, &s.poller.deadline);

	if (r < 0)
		return r;
	r = select_until(&s);
	if (timeout && s.poller.deadline != GR_AT_ONCE) {
		gr_time left = gr_poller_left(s.poller.deadline);
		struct timeval tv = { left / GR_SEC(1), left % GR_SEC(1) / GR_US(1) };

		gr_user_write(timeout, &tv, sizeof(tv));
	}
	return r;
}

long green_pselect6(int n, unsigned long *in, unsigned long *out, unsigned long *ex, struct timespec *timeout,
		    const void *sigmask_arg)
{
	struct sets s = { .n = n, .user = { in, out, ex } };
	struct {
		const uint64_t *mask;
		size_t size;
	} mask = { NULL, 0 };
	long r;

	if (sigmask_arg && gr_user_read(&mask, sigmask_arg, sizeof(mask)) < 0)
		return -EFAULT;
	r = gr_poller_deadline(timeout, &s.poller.deadline);
	if (r == 0)
		r = gr_poller_mask_read(&s.mask, mask.mask, mask.size);
	if (r < 0)
		return r;
	r = select_until(&s);
	gr_poller_mask_end(r);
	gr_poller_tell_left(timeout, s.poller.deadline);
	return r;
}
