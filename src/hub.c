/*
 * hub.c - the hub greenlet: when to look at the descriptors, when to wait, and grove's own descriptors
 *
 * The epoll set is in loop.c, libev in hub_io.c; what is here may be called from within green calls.
 */
#include "hub.h"
#include "api/api.h"
#include "arch/x86_64/arch.h"
#include "clock.h"
#include "deadlock.h"
#include "fd.h"
#include "hub_io.h"
#include "loop.h"
#include "offload.h"
#include "raw.h"
#include "sched.h"
#include "signal.h"
#include "slack.h"
#include "uring.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#define HUB_STACK	(256u * 1024)
#define OWN_FDS		64
#define OWN_FD_TOP	65536		/* the kernel's table is as long as the highest number, and copied by each fork */
#define OWN_FD_SEEN	(4096 - OWN_FDS)	/* where they cannot be hidden they are to be cheap: above what most programs ever have */

static struct hub {
	struct gr_list looks;		/* gr_fd.hub_link: entries whose wishes may have changed */
	struct gr_list jobs;
	gr_time armed;			/* what the timerfd is set to, or GR_NEVER */
	int kick_fd, timer_fd;
	int epoll_fd;			/* the set of loop.c */
	int hidden_epoll;		/* libev's, while loop.c does not know of it yet */
	unsigned watched;		/* descriptors that are registered there */
	struct gr_note *notes;		/* pushed by any thread, taken as a whole by the hub; the latest first */
	void *stack;
} hub = { .looks = { &hub.looks, &hub.looks }, .jobs = { &hub.jobs, &hub.jobs }, .kick_fd = -1, .timer_fd = -1, .epoll_fd = -1,
	  .hidden_epoll = -1 };

/* --- descriptors of our own ---------------------------------------------------------------------------------------------- */

/*
 * Where they go: beyond the program's own limit of open files, if the hard limit leaves room, so that it neither meets nor misses
 * them; else to the top of what it may have, or where few programs come.  While one is made the limit is raised, which also makes it possible
 * in a process that has none left.
 */
static struct rlimit raise_limit(void)
{
	struct rlimit was = { 1024, 1024 }, up;

	raw(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &was);
	up = was;
	up.rlim_cur = was.rlim_cur + OWN_FDS < was.rlim_max ? was.rlim_cur + OWN_FDS : was.rlim_max;
	if (up.rlim_cur > was.rlim_cur)
		raw(SYS_prlimit64, 0, RLIMIT_NOFILE, &up, 0);
	else
		up.rlim_cur = was.rlim_cur;
	return was;
}

static void lower_limit(const struct rlimit *was)
{
	raw(SYS_prlimit64, 0, RLIMIT_NOFILE, was, 0);
}

static int own_fd_floor(const struct rlimit *was)
{
	rlim_t floor = was->rlim_cur;

	if (was->rlim_max >= floor + OWN_FDS && floor < OWN_FD_TOP)
		return (int)floor;
	floor = was->rlim_max > 2 * OWN_FDS ? was->rlim_max - OWN_FDS : was->rlim_max / 2;
	return floor < OWN_FD_SEEN ? (int)floor : OWN_FD_SEEN;
}

static int dup_up(int fd)
{
	struct rlimit was = raise_limit();
	int up = (int)raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, own_fd_floor(&was));

	lower_limit(&was);
	return up;
}

static int now_own(int fd)
{
	struct gr_fd *f = gr_fd_get(fd);

	if (f)
		f->own = true;
	return fd;
}

int gr_own_fd(int fd)
{
	int up = dup_up(fd);

	if (up >= 0) {
		raw(SYS_close, fd);
		fd = up;
	}
	return now_own(fd);
}

int gr_own_fd_dup(int fd)
{
	int up = dup_up(fd);

	return up < 0 ? up : now_own(up);
}

bool gr_is_own_fd(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);

	return f && f->own;
}

void gr_own_fd_close(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);

	if (f)
		f->own = false;
	gr_fd_close(fd);
	raw(SYS_close, fd);
}

long gr_hub_hide(long nr, long fd)
{
	if (fd < 0)
		return fd;
	fd = gr_own_fd((int)fd);
	if (nr == SYS_epoll_create1 || nr == SYS_epoll_create)
		hub.hidden_epoll = (int)fd;
	return fd;
}

int gr_hub_hidden_epoll(void)
{
	int fd = hub.hidden_epoll;

	hub.hidden_epoll = -1;
	return fd;
}

/* --- what greenlets ask of the hub ----------------------------------------------------------------------------------------- */

void gr_hub_watch(struct gr_fd *f)
{
	if (gr_list_empty(&f->hub_link))
		gr_list_push(&hub.looks, &f->hub_link);
}

void gr_hub_unwatch(struct gr_fd *f, int fd)
{
	struct epoll_event none = { 0 };

	if (!f->registered)
		return;
	/* The file may live on in a duplicate or in a child, and would go on reporting to this number. */
	raw(SYS_epoll_ctl, hub.epoll_fd, EPOLL_CTL_DEL, fd, &none);
	f->registered = GR_UNREGISTERED;
	f->armed = f->told = 0;
	hub.watched--;
}

void gr_hub_watches(int more)
{
	hub.watched += (unsigned)more;
}

void gr_hub_set_is(int fd)
{
	hub.epoll_fd = fd;
}

void gr_hub_kick(void)
{
	uint64_t one = 1;

	if (hub.kick_fd >= 0)
		raw(SYS_write, hub.kick_fd, &one, sizeof(one));
}

void gr_post(struct gr_note *note)
{
	struct gr_note *first = __atomic_load_n(&hub.notes, __ATOMIC_RELAXED);

	do
		note->next = first;
	while (!__atomic_compare_exchange_n(&hub.notes, &first, note, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (!first)			/* the others' go with the first one's */
		gr_hub_kick();
}

void gr_hub_notes(void)
{
	struct gr_note *latest = __atomic_exchange_n(&hub.notes, NULL, __ATOMIC_ACQ_REL), *in_order = NULL;

	while (latest) {
		struct gr_note *n = latest;

		latest = n->next;
		n->next = in_order;
		in_order = n;
	}
	while (in_order) {
		struct gr_note *n = in_order;

		in_order = n->next;
		n->fn(n);
	}
}

int gr_hub_kick_fd(void)
{
	return hub.kick_fd;
}

void gr_hub_call(struct gr_hub_job *job)
{
	gr_list_push(&hub.jobs, &job->link);
}

/* --- the hub's own turn ---------------------------------------------------------------------------------------------------- */

void gr_hub_timer_fired(void)
{
	hub.armed = GR_NEVER;
}

/* An armed time earlier than needed costs one wake-up that finds nothing to do, less than setting it anew each time a deadline
 * further away is put off again. */
static void arm(gr_time next)
{
	struct itimerspec at = { 0 };

	if (next >= hub.armed)
		return;
	gr_to_timespec(next > 0 ? next : 1, &at.it_value);
	if (!raw_failed(raw(SYS_timerfd_settime, hub.timer_fd, TFD_TIMER_ABSTIME, &at, 0)))
		hub.armed = next;
}

/*
 * Until when the hub may sleep.  Who is alone is woken at its time.  Where others are due soon after the first, all of them are woken by the
 * last one's, within what the kernel lets a thread be late (slack.h): a wake-up costs more than what is then done.
 */
static gr_time next_wake(const struct gr_carrier *c)
{
	gr_time first = gr_timers_next(&c->timers), until;

	if (c->timers.used < 2 || first >= hub.armed || __builtin_add_overflow(first, gr_slack(c->turn_at), &until))
		return first;
	return gr_timers_latest(&c->timers, until);
}

static void run_timers(struct gr_carrier *c)
{
	c->turn_at = gr_now();
	if (gr_timers_next(&c->timers) != GR_NEVER)
		gr_timers_run(&c->timers, c->turn_at);
}

/* Where nobody waits for a time, the look at the clock after the wait will do. */
static void run_timers_before(struct gr_carrier *c, bool looks)
{
	if (gr_timers_next(&c->timers) != GR_NEVER || !looks)
		run_timers(c);
}

/* Without waiting: can a look at the descriptors find anything? */
static bool anything_to_see(void)
{
	return hub.watched || gr_hub_io_watches() || __atomic_load_n(&hub.notes, __ATOMIC_RELAXED) || gr_offload_came() || gr_uring_busy();
}

bool gr_hub_due(void)
{
	gr_time next = gr_timers_next(&gr_carrier()->timers);

	return anything_to_see() || !gr_list_empty(&hub.jobs) || !gr_list_empty(&hub.looks) || (next != GR_NEVER && next <= gr_now());
}

bool gr_hub_expects(void)
{
	return gr_timers_next(&gr_carrier()->timers) != GR_NEVER || anything_to_see() || !gr_list_empty(&hub.jobs) ||
	       !gr_list_empty(&hub.looks) || gr_offload_busy();
}

/*
 * What other kernel threads have brought.  Each of them kicks the hub, but that event stands behind those of all descriptors that were
 * ready before, which may be thousands; who makes one call after another on an offload thread would wait for all of these each time.
 */
static void collect(void)
{
	if (gr_offload_came())
		gr_offload_done();
	if (GR_UNLIKELY(gr_uring_busy()))
		gr_uring_done();
	if (__atomic_load_n(&hub.notes, __ATOMIC_RELAXED))
		gr_hub_notes();
}

static void turn(struct gr_carrier *c)
{
	bool wait;

	collect();
	while (!gr_list_empty(&hub.looks)) {
		struct gr_fd *f = gr_list_first(&hub.looks, struct gr_fd, hub_link);

		gr_list_del(&f->hub_link);
		gr_loop_look(f);
	}
	while (!gr_list_empty(&hub.jobs)) {
		struct gr_hub_job *job = gr_list_first(&hub.jobs, struct gr_hub_job, link);

		gr_list_del(&job->link);
		job->fn(job);
	}
	gr_signal_collect();
	run_timers_before(c, anything_to_see());
	wait = gr_list_empty(&c->ready) && gr_list_empty(&hub.jobs) && gr_list_empty(&hub.looks);
	if (wait && GR_UNLIKELY(c->deadlock))
		gr_deadlock_look(gr_nobody_due(c));
	if (wait && GR_UNLIKELY(c->api_on))
		wait = gr_api_before_wait(gr_nobody_due(c));
	if (wait)
		arm(next_wake(c));
	c->stats.hub_turns++;
	if (wait || anything_to_see()) {
		gr_loop_run(wait);
		c->stats.wakeups += wait;
		run_timers(c);
	}
	gr_signal_collect();
	if (GR_UNLIKELY(!gr_list_empty(&c->idlers)) && gr_list_empty(&c->ready))
		gr_give_turn(gr_first_turn(&c->idlers), 0);
}

static void hub_main(void *arg)
{
	struct gr_carrier *c = arg;
	struct rlimit was = raise_limit();

	gr_greenlet_started();
	c->hide_new = true;
	if (gr_loop_make(hub.kick_fd, hub.timer_fd) < 0)
		gr_die("the hub cannot make its epoll descriptors; raise the limit of open files (ulimit -n)", EMFILE);
	c->hide_new = false;
	lower_limit(&was);
	for (;;) {
		turn(c);
		if (!gr_list_empty(&c->ready))
			gr_hub_leave();
	}
}

static int make_fds(void)
{
	struct rlimit was = raise_limit();
	long kick = raw(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	long timer = raw(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (raw_failed(kick) || raw_failed(timer))
		gr_die("no descriptor left for the hub; raise the limit of open files (ulimit -n)", EMFILE);
	hub.kick_fd = gr_own_fd((int)kick);
	hub.timer_fd = gr_own_fd((int)timer);
	lower_limit(&was);
	hub.armed = GR_NEVER;
	return 0;
}

/*
 * Would there be descriptors and memory for a hub?  For programs that can be told so: where greenlets wait already, it is too late.
 * The epoll descriptors count too.
 */
int gr_hub_possible(void)
{
	struct rlimit was = raise_limit();
	long fd[4], p, err = 0;
	int n = 0;

	while (n < 4 && !raw_failed(fd[n] = raw(SYS_eventfd2, 0, EFD_CLOEXEC)))
		n++;
	if (n < 4)
		err = fd[n];
	while (n > 0)
		raw(SYS_close, fd[--n]);
	lower_limit(&was);
	p = raw(SYS_mmap, 0, 2 * HUB_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (raw_failed(p))
		return (int)p;
	raw(SYS_munmap, p, 2 * HUB_STACK);
	return (int)err;
}

int gr_hub_start(void)
{
	static struct gr_greenlet hub_greenlet;
	struct gr_carrier *c = gr_carrier();

	make_fds();
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&hub.notes, __ATOMIC_RELAXED))		/* posted when there was nothing to kick yet */
		gr_hub_kick();
	if (!hub.stack) {
		long p = raw(SYS_mmap, 0, HUB_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (raw_failed(p))
			return (int)p;
		raw(SYS_mprotect, p, GR_PAGE, PROT_NONE);
		hub.stack = (void *)p;
	}
	gr_greenlet_init(&hub_greenlet, c->base_fs, 0);
	hub_greenlet.sp = gr_frame_init((char *)hub.stack + HUB_STACK, hub_main, c);
	c->hub = &hub_greenlet;
	return 0;
}

void gr_hub_fork_child(void)
{
	gr_list_init(&hub.looks);
	gr_list_init(&hub.jobs);
	hub.notes = NULL;
	hub.kick_fd = hub.timer_fd = hub.epoll_fd = hub.hidden_epoll = -1;
	hub.watched = 0;
	gr_loop_fork_child();
}
