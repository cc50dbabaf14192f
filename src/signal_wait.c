/*
 * signal_wait.c - waiting for signals: sigwait() and its like; and what a signalfd of the program's is to see
 *
 * What is sent to the process and blocked by everyone is pending in the kernel.  While greenlets wait for such signals a signalfd of grove's
 * own tells the hub, which takes them out one by one, each for the greenlet that the kernel would have woken.
 *
 * A signalfd of the program's shows what is pending for the process, and what is pending for the thread that looks.  The latter is in our
 * lists: it is lent to the kernel for the length of a look, with everything blocked, and what is left of it taken back.
 */
#include "signal_parts.h"
#include "hub.h"
#include "loop.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>

static struct waiting {
	struct gr_tally sets;		/* of those who are parked */
	uint64_t watched;		/* what the signalfd tells of */
	int fd;				/* it, or -1 */
	bool on;			/* the hub watches it, or is about to */
	struct gr_hub_job job;
} w = { .fd = -1, .job.link = { &w.job.link, &w.job.link } };

static bool signalfds;			/* the program has, or had, a signalfd */

/* --- sigwait --------------------------------------------------------------------------------------------------------------- */

uint64_t gr_signal_waited(void)
{
	return gr_tally_any(&w.sets);
}

void gr_signal_wait_ends(struct gr_greenlet *g)
{
	gr_tally_drop(&w.sets, g->waits_for);
	g->waits_for = 0;
}

static void tell_of(uint64_t set)
{
	if (set == w.watched)
		return;
	w.watched = set;
	raw(SYS_signalfd4, w.fd, &set, 8, 0);
}

/* In the hub: something that somebody waits for may be pending. */
static void look(void)
{
	static const struct timespec none;
	siginfo_t info;
	uint64_t set;

	while ((set = gr_signal_waited()) && raw(SYS_rt_sigtimedwait, &set, &info, &none, 8) > 0)
		if (gr_signal_to_process(&info) < 0) {
			raw(SYS_rt_sigqueueinfo, gr_carrier()->pid, info.si_signo, &info);
			break;
		}
	tell_of(set);
	if (!set) {
		gr_loop_signals(w.fd, NULL);
		w.on = false;
	}
}

static void start_watching(struct gr_hub_job *job)
{
	(void)job;
	gr_loop_signals(w.fd, look);
}

static long watch(uint64_t set)
{
	long fd;

	if (w.fd < 0) {
		fd = raw(SYS_signalfd4, -1, &set, 8, SFD_CLOEXEC | SFD_NONBLOCK);
		if (fd < 0)
			return fd;
		w.fd = gr_own_fd((int)fd);
		w.watched = set;
	}
	tell_of(w.watched | set);
	if (!w.on) {
		gr_hub_call(&w.job);
		w.job.fn = start_watching;
		w.on = true;
	}
	return 0;
}

/* 0: look again.  -EINTR, -ETIMEDOUT, -GR_EBROKEN. */
static long park(struct gr_greenlet *g, uint64_t set, gr_time deadline)
{
	long r = watch(set);

	if (r < 0)
		return r;
	g->waits_for = set;
	gr_tally_add(&w.sets, set);
	gr_signal_apply();
	r = gr_park("signal", deadline, GR_PARK_INTR);
	gr_signal_wait_ends(g);
	gr_signal_apply();
	return r;
}

static long take(uint64_t set, siginfo_t *ret_info)
{
	static const struct timespec none;
	long sig;

	if (gr_signal_take(set, ret_info))
		return ret_info->si_signo;
	sig = raw(SYS_rt_sigtimedwait, &set, ret_info, &none, 8);
	if (sig > 0)
		gr_signal_timer_told(ret_info);
	return sig;
}

/* GR_SIG_INTERRUPT never waits in the kernel: those with lower numbers that do are before it. */
static long take_lowest(uint64_t set, siginfo_t *ret_info)
{
	long got = 0;

	if (set & GR_SIGBIT(GR_SIG_INTERRUPT))
		got = take(set & (GR_SIGBIT(GR_SIG_INTERRUPT) - 1), ret_info);
	return got > 0 ? got : take(set, ret_info);
}

long gr_signal_wait(uint64_t set, siginfo_t *ret_info, gr_time deadline)
{
	struct gr_greenlet *g = gr_carrier()->current;
	long r = 0, got;

	set &= ~UNBLOCKABLE;
	for (;;) {
		gr_signal_collect();
		got = take_lowest(set, ret_info);
		if (got > 0)
			return got;
		if (deadline == 0 || r == -ETIMEDOUT)
			return -EAGAIN;
		if (r < 0)
			return r;
		r = park(g, set, deadline);
	}
}

/* --- signalfd --------------------------------------------------------------------------------------------------------------- */

void gr_signal_fd_made(void)
{
	signalfds = true;
}

bool gr_signal_wake_looker(struct gr_greenlet *g)
{
	if (signalfds && (g->park_flags & GR_PARK_LOOKS) && g->state == GR_PARKED)
		gr_wake(g, 0);
	return signalfds;
}

int gr_signal_lend(uint64_t set)
{
	struct gr_carrier *c = gr_carrier();
	siginfo_t info;
	int n = 0;

	gr_signal_block_all();
	while (gr_signal_take_own(set & c->current->sigmask, &info) && raw(SYS_rt_tgsigqueueinfo, c->pid, c->tid, info.si_signo, &info) == 0)
		n++;
	return n;
}

void gr_signal_take_back(uint64_t set, int n)
{
	static const struct timespec none;
	siginfo_t info;

	while (n-- > 0 && raw(SYS_rt_sigtimedwait, &set, &info, &none, 8) > 0)
		gr_signal_queue(gr_carrier()->current, &info);
	gr_signal_apply();
}

bool gr_signal_shows(void)
{
	struct gr_greenlet *g = gr_carrier()->current;

	return GR_UNLIKELY(signalfds) && g->pending;
}

uint64_t gr_signal_show(int *ret_n)
{
	uint64_t set = gr_carrier()->current->pending;

	*ret_n = gr_signal_lend(set);
	return set;
}

/* The line "sigmask:" in its fdinfo, 16 digits */
static uint64_t mask_of_fd(int fd)
{
	struct gr_line path = { 0 };
	char text[512];
	uint64_t mask = 0;
	long file, n;

	gr_line_put(&path, "/proc/self/fdinfo/");
	gr_line_number(&path, (uint64_t)fd, 10);
	file = raw(SYS_open, path.text, O_RDONLY | O_CLOEXEC);
	if (raw_failed(file))
		return 0;
	n = raw(SYS_read, file, text, sizeof(text) - 1);
	raw(SYS_close, file);
	text[n > 0 ? n : 0] = 0;
	for (const char *s = text; *s; s++)
		if (strncmp(s, "sigmask:\t", 9) == 0) {
			for (s += 9; (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f'); s++)
				mask = mask << 4 | (uint64_t)(*s <= '9' ? *s - '0' : *s - 'a' + 10);
			break;
		}
	return mask;
}

/* Those of the thread come first, so what it leaves of them is what was not read. */
long gr_signal_read_fd(int fd, const struct iovec *iov, int n)
{
	uint64_t set = mask_of_fd(fd);
	int lent = gr_signal_lend(set);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long r = raw(SYS_poll, &p, 1, 0) > 0 ? raw(SYS_readv, fd, iov, n) : -EAGAIN;
	long seen = r > 0 ? r / (long)sizeof(struct signalfd_siginfo) : 0;

	gr_signal_take_back(set, seen < lent ? lent - (int)seen : 0);
	return r;
}

/* --- fork --------------------------------------------------------------------------------------------------------------------- */

void gr_signal_wait_fork_child(void)
{
	w.fd = -1;
	w.watched = 0;
	w.on = false;
	w.sets = (struct gr_tally){ 0 };
	gr_carrier()->current->waits_for = 0;
	gr_list_init(&w.job.link);
}
