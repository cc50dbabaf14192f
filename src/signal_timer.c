/*
 * signal_timer.c - timers aimed at one thread, and what the process's missed
 *
 * SIGEV_THREAD_ID, which libc's SIGEV_THREAD uses too, names a thread; the kernel is told the carrier, the only one it knows, and the
 * signal carries the timer's number, by which it is queued for the greenlet meant.  One signal of a timer is pending at a time, and what it
 * misses meanwhile is counted here, as the kernel believes that each was delivered at once.  So it does of those sent to the process: of these
 * it is kept what the last one that was handled had missed, as the kernel may have given us the next one by the time that somebody asks.
 */
#include "signal_parts.h"
#include <limits.h>
#include <sys/mman.h>

#define FIRST_SIZE	128		/* a power of two; the table doubles as needed */

#define PROCESS		(-1)
#define UNTOLD		(-1)

struct timer {
	int id, sig;
	int tid;			/* 0: unused; PROCESS */
	bool queued;			/* its signal is pending */
	long missed;			/* expirations since that was queued */
	int overrun;			/* what timer_getoverrun() says; UNTOLD: what the kernel does */
};

/* By id, which the kernel counts up: each at its own place or, if that is taken, the next.  At most half full. */
static struct table {
	struct timer *at;
	size_t size, used;		/* size: a power of two, or 0 */
} t;

uint64_t gr_signal_of_timers;

/* --- the table --------------------------------------------------------------------------------------------------------------- */

static struct timer *find(int id)
{
	if (!t.used)
		return NULL;
	for (size_t i = (size_t)id & (t.size - 1); t.at[i].tid; i = (i + 1) & (t.size - 1))
		if (t.at[i].id == id)
			return &t.at[i];
	return NULL;
}

static struct timer *find_by(const siginfo_t *info)
{
	return info->si_code == SI_TIMER ? find(info->si_timerid) : NULL;
}

static void put(struct timer timer)
{
	size_t i = (size_t)timer.id & (t.size - 1);

	while (t.at[i].tid)
		i = (i + 1) & (t.size - 1);
	t.at[i] = timer;
	t.used++;
}

static int grow(void)
{
	struct table old = t;
	size_t size = old.size ? 2 * old.size : FIRST_SIZE;
	long p = raw(SYS_mmap, 0, size * sizeof(struct timer), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw_failed(p))
		return -EAGAIN;
	t = (struct table){ .at = (struct timer *)p, .size = size };
	for (size_t i = 0; i < old.size; i++)
		if (old.at[i].tid)
			put(old.at[i]);
	if (old.size)
		raw(SYS_munmap, old.at, old.size * sizeof(struct timer));
	return 0;
}

/* Those that stand behind it may have been on the way past its place. */
static void take_out(struct timer *timer)
{
	size_t i = (size_t)(timer - t.at);

	timer->tid = 0;
	t.used--;
	for (i = (i + 1) & (t.size - 1); t.at[i].tid; i = (i + 1) & (t.size - 1)) {
		struct timer moved = t.at[i];

		t.at[i].tid = 0;
		t.used--;
		put(moved);
	}
}

/* --- for the calls ----------------------------------------------------------------------------------------------------------- */

int gr_signal_timer_room(void)
{
	return 2 * (t.used + 1) > t.size && grow() < 0 ? -EAGAIN : 0;
}

int gr_signal_timer_begin(int sig)
{
	if (sig < 1 || sig >= GR_NSIG)
		return -EINVAL;
	if (gr_signal_timer_room() < 0)
		return -EAGAIN;
	if (!(gr_signal_of_timers & GR_SIGBIT(sig))) {
		gr_signal_of_timers |= GR_SIGBIT(sig);
		gr_signal_set_kernel_action(sig);
		gr_signal_apply();
	}
	return 0;
}

void gr_signal_timer_made(int id, int sig, int tid)
{
	put((struct timer){ .id = id, .sig = sig, .tid = tid });
}

void gr_signal_timer_of_process(int id, int sig)
{
	put((struct timer){ .id = id, .sig = sig, .tid = PROCESS, .overrun = UNTOLD });
}

/* It was set anew, or deleted: a signal from before is no longer pending, as in Linux since 6.13. */
static void forget_signal(struct timer *timer)
{
	if (timer->tid == PROCESS)
		gr_signal_forget_process_timer(timer->sig, timer->id);
	else if (timer->queued)
		gr_signal_forget_timer(timer->sig, timer->id);
}

void gr_signal_timer_set(int id)
{
	struct timer *timer = find(id);

	if (!timer)
		return;
	forget_signal(timer);
	timer->overrun = timer->tid == PROCESS ? UNTOLD : 0;
}

void gr_signal_timer_gone(int id)
{
	struct timer *timer = find(id);

	if (!timer)
		return;
	gr_signal_collect();
	forget_signal(timer);
	take_out(timer);
}

int gr_signal_timer_overrun(int id)
{
	struct timer *timer = find(id);

	return timer ? timer->overrun : UNTOLD;
}

/* --- for the signals --------------------------------------------------------------------------------------------------------- */

int gr_signal_timer_target(const siginfo_t *info)
{
	struct timer *timer = find_by(info);

	return timer && timer->tid != PROCESS && timer->sig == info->si_signo ? timer->tid : 0;
}

bool gr_signal_timer_merged(const siginfo_t *info)
{
	struct timer *timer = find_by(info);

	if (!timer || timer->tid == PROCESS)
		return false;
	if (timer->queued) {
		timer->missed += info->si_overrun + 1l;
		return true;
	}
	timer->queued = true;
	timer->missed = info->si_overrun;
	return false;
}

void gr_signal_timer_told(siginfo_t *info)
{
	struct timer *timer = find_by(info);

	if (!timer)
		return;
	if (timer->queued)
		info->si_overrun = timer->missed > INT_MAX ? INT_MAX : (int)timer->missed;
	timer->overrun = info->si_overrun;
}

void gr_signal_timer_handled(const siginfo_t *info)
{
	struct timer *timer = find_by(info);

	if (timer)
		timer->overrun = info->si_overrun;
}

void gr_signal_timer_unqueued(const siginfo_t *info)
{
	struct timer *timer = find_by(info);

	if (timer)
		timer->queued = false;
}

/* Timers are not inherited. */
void gr_signal_timer_fork_child(void)
{
	if (t.used)
		memset(t.at, 0, t.size * sizeof(*t.at));
	t.used = 0;
}
