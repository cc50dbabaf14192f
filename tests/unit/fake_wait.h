/*
 * fake_wait.h - for unit tests of calls that wait: whatever parks runs a step of the test instead
 *
 * Include once per test program: it defines what sched.c, fd.c, hub.c, signal.c and offload.c would, so that the archive's own are not
 * linked in.  Each park is noted in fake_log and calls fake_step(n), n counting from 0, which plays the rest of the world and
 * says how the park ends: 0, -EINTR, ...; -ETIMEDOUT makes the clock jump to the deadline.  The kernel's own calls are real.
 */
#ifndef FAKE_WAIT_H
#define FAKE_WAIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clock.h"
#include "fd.h"
#include "green/green.h"
#include "hub.h"
#include "offload.h"
#include "raw.h"
#include "sched.h"
#include "signal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define BAD_POINTER	((void *)8)

struct gr_carrier gr_carrier0;

static struct gr_greenlet fake_me;
static gr_time fake_clock;
static char fake_log[1024];
static int (*fake_step)(int n);
static int fake_parks, fake_own_fds;
#define FAKE_SIGNAL	1u		/* its bit: a signal that is pending, and the mask keeps out or not */
static long (*fake_offload)(long nr, long a, long b, long c, long d, long e);

static gr_time fake_now(void)
{
	return fake_clock;
}

__attribute__((format(printf, 1, 2))) static void fake_note(const char *fmt, ...)
{
	size_t n = strlen(fake_log);
	va_list ap;

	va_start(ap, fmt);
	if (n)
		fake_log[n++] = ' ';
	vsnprintf(fake_log + n, sizeof(fake_log) - n, fmt, ap);
	va_end(ap);
}

static void fake_start(int (*step)(int n))
{
	gr_carrier0 = (struct gr_carrier){ .inside = 1, .on = true, .current = &fake_me, .pid = getpid(), .tid = getpid() };
	fake_me = (struct gr_greenlet){ .tid = getpid(), .state = GR_RUNNING };
	fake_clock = GR_SEC(1000);
	fake_log[0] = '\0';
	fake_step = step;
	fake_parks = fake_own_fds = 0;
	fake_offload = NULL;
	gr_clock_source = fake_now;
}

static int fake_ends(gr_time deadline)
{
	int r = fake_step ? fake_step(fake_parks) : -ETIMEDOUT;

	if (++fake_parks > 100) {
		fprintf(stderr, "parks without end: %s\n", fake_log);
		abort();
	}
	if (r == -EINTR)
		fake_me.pending = FAKE_SIGNAL;
	if (r != -ETIMEDOUT)
		return r;
	if (deadline == GR_NEVER) {
		fprintf(stderr, "parked for ever: %s\n", fake_log);
		abort();
	}
	if (fake_clock < deadline)
		fake_clock = deadline;
	return r;
}

int gr_park(const char *waits, gr_time deadline, unsigned flags)
{
	assert_int_equal(flags, GR_PARK_INTR);
	fake_note("%s", waits);
	return fake_ends(deadline);
}

bool gr_wake(struct gr_greenlet *g, int result)
{
	(void)g, (void)result;
	return false;
}

/* --- descriptors ------------------------------------------------------------------------------------------------------------ */

static const char *fake_dirs(unsigned dirs)
{
	static const char *const names[] = { "-", "r", "w", "rw" };

	return names[dirs & 3];
}

int gr_fd_wait(struct gr_fd_wait *w, int dir, gr_time deadline)
{
	fake_note("fd(%s)", fake_dirs(GR_BIT(dir)));
	return raw(SYS_fcntl, w->fd, 3 /* F_GETFL */) < 0 ? -EBADF : fake_ends(deadline);
}

void gr_fd_wait_end(struct gr_fd_wait *w)
{
	(void)w;
}

int gr_fd_wait_many(struct gr_fd_want *wants, size_t n, gr_time deadline)
{
	if (n > 4)
		fake_note("many(%zu)", n);
	else
		fake_note("many");
	for (size_t i = 0; n <= 4 && i < n; i++)
		fake_note("%s", fake_dirs(wants[i].dirs));
	return fake_ends(deadline);
}

struct gr_fd *gr_fd_get(int fd)
{
	static struct gr_fd f;

	(void)fd;
	return &f;
}

int gr_own_fd(int fd)
{
	fake_own_fds++;
	return fd;
}

void gr_own_fd_close(int fd)
{
	fake_own_fds--;
	raw(SYS_close, fd);
}

/* --- signals ---------------------------------------------------------------------------------------------------------------- */

void gr_signal_collect(void)
{
}

bool gr_signal_shows(void)
{
	return false;
}

uint64_t gr_signal_show(int *ret_n)
{
	*ret_n = 0;
	return 0;
}

void gr_signal_take_back(uint64_t set, int n)
{
	(void)set;
	(void)n;
}

void gr_signal_set_mask_until_return(uint64_t mask)
{
	fake_me.saved_mask = fake_me.sigmask;
	fake_me.sigmask = mask;
	fake_me.restore_mask = 1;
}

void gr_signal_restore_mask(void)
{
	if (fake_me.restore_mask)
		fake_me.sigmask = fake_me.saved_mask;
	fake_me.restore_mask = 0;
}

static int fake_copy(long nr, void *mine, void *program, size_t n)
{
	struct iovec here = { mine, n }, there = { program, n };

	return n == 0 || raw(nr, getpid(), &here, 1, &there, 1, 0) == (long)n ? 0 : -EFAULT;
}

int gr_user_read(void *to, const void *from, size_t n)
{
	return fake_copy(SYS_process_vm_readv, to, (void *)from, n);
}

int gr_user_write(void *to, const void *from, size_t n)
{
	return fake_copy(SYS_process_vm_writev, (void *)from, to, n);
}

/* --- offload ---------------------------------------------------------------------------------------------------------------- */

long gr_offload(long nr, long a, long b, long c, long d, long e, long f)
{
	(void)f;
	fake_note("offload(%ld)", nr);
	return fake_offload ? fake_offload(nr, a, b, c, d, e) : -GR_ERESTART;
}

#endif
