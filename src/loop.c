/*
 * loop.c - the hub's epoll set
 *
 * The program's descriptors are in it themselves, not by way of libev, whose loop (hub_io.c) has those of libraries and is one
 * descriptor more in the set.  A server's request costs one event; here that is a table entry, a waiter and a greenlet, where libev would
 * touch a record of its own and two watchers besides, in memory that with thousands of connections is in no cache.
 *
 * A descriptor is registered when it is first waited for, and stays after its waiter was woken: the next wait then costs no epoll_ctl.
 * When an event finds nobody waiting, the hub no longer wants it (gr_fd.armed), and tells the kernel so at its next turn, unless
 * somebody waits by then (gr_fd.told is what the kernel has).
 */
#include "loop.h"
#include "fd.h"
#include "hub.h"
#include "hub_io.h"
#include "offload.h"
#include "raw.h"
#include "sched.h"
#include "uring.h"
#include <errno.h>
#include <sys/epoll.h>

#define EVENTS		64		/* asked for at once: so many greenlets are still in the cache when their turn comes */
#define AHEAD		3		/* events between the steps by which their memory is brought to the cache */

/* What an event is about, in epoll_event.data: a descriptor in the low half and its generation in the high one, or one of ours. */
#define OURS		0x80000000u
enum ours { KICK, TIMER, SIGNALS, LIBRARIES, N_OURS };

static struct {
	int fd;
	bool stale;			/* it reports a file under a number that is no longer its */
	int ours[N_OURS];		/* the descriptors; -1: none */
	void (*signals_fn)(void);
} set = { .fd = -1, .ours = { -1, -1, -1, -1 } };

/* --- the program's descriptors ---------------------------------------------------------------------------------------------- */

static uint32_t events_of(unsigned dirs, bool edges)
{
	return (dirs & GR_BIT(GR_READ) ? (uint32_t)EPOLLIN : 0) | (dirs & GR_BIT(GR_WRITE) ? (uint32_t)EPOLLOUT : 0) |
	       (edges ? (uint32_t)EPOLLET | EPOLLRDHUP | EPOLLPRI : 0);
}

static unsigned dirs_of(uint32_t events)
{
	return (events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? GR_BIT(GR_READ) : 0) |
	       (events & (EPOLLOUT | EPOLLERR | EPOLLHUP) ? GR_BIT(GR_WRITE) : 0);
}

/* 0 or -1 with errno.  Where the kernel knows the number otherwise than we do (a file closed behind our back), it is right. */
static int tell(const struct gr_fd *f, unsigned dirs)
{
	struct epoll_event ev = { .events = events_of(dirs, f->edges), .data.u64 = (uint64_t)f->gen << 32 | (uint32_t)f->fd };
	int op = f->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (dirs == 0)
		return epoll_ctl(set.fd, EPOLL_CTL_DEL, f->fd, &ev);
	if (epoll_ctl(set.fd, op, f->fd, &ev) == 0)
		return 0;
	if (errno != EEXIST && errno != ENOENT)
		return -1;
	return epoll_ctl(set.fd, op == EPOLL_CTL_MOD ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, f->fd, &ev);
}

static void now_registered(struct gr_fd *f, enum gr_registered how, unsigned dirs)
{
	gr_hub_watches((how != GR_UNREGISTERED) - (f->registered != GR_UNREGISTERED));
	f->registered = (uint8_t)how;
	f->armed = f->told = (uint8_t)dirs;
}

void gr_loop_look(struct gr_fd *f)
{
	enum gr_registered how = f->edges ? GR_EDGE : GR_LEVEL;
	unsigned dirs = f->armed;

	for (int dir = GR_READ; dir <= GR_WRITE; dir++)
		if (!gr_list_empty(&f->waiters[dir]))
			dirs |= GR_BIT(dir);
	if (dirs == f->told && (dirs == 0 || how == f->registered)) {
		f->armed = (uint8_t)dirs;
		return;
	}
	if (tell(f, dirs) == 0 || dirs == 0) {
		now_registered(f, dirs ? how : GR_UNREGISTERED, dirs);
		return;
	}
	now_registered(f, GR_UNREGISTERED, 0);
	gr_fd_ready_all(f);		/* the kernel refuses to watch it: they will see why when they try again */
}

static void on_fd(uint64_t data, uint32_t events)
{
	struct gr_fd *f = gr_fd_peek((int)(uint32_t)data);
	unsigned idle;

	if (GR_UNLIKELY(!f || f->gen != (uint32_t)(data >> 32))) {
		set.stale = true;
		return;
	}
	f->drained = false;		/* whoever comes next is to try: nobody tells of this again */
	if (GR_UNLIKELY(f->registered == GR_EDGE && (events & (EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLHUP))))
		gr_fd_level(f);
	idle = gr_fd_ready(f, dirs_of(events) & f->armed);
	if (GR_UNLIKELY(idle)) {
		f->armed &= (uint8_t)~idle;
		gr_hub_watch(f);
	}
}

/* --- grove's own ------------------------------------------------------------------------------------------------------------ */

static int add_ours(enum ours which, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = OURS | (uint32_t)which };

	return set.ours[which] < 0 ? 0 : epoll_ctl(set.fd, EPOLL_CTL_ADD, set.ours[which], &ev);
}

/* The timer by its edge: each time it is set anew it tells once, and there is nothing to be read. */
static int add_all_ours(void)
{
	return add_ours(KICK, EPOLLIN) | add_ours(TIMER, EPOLLIN | EPOLLET) | add_ours(SIGNALS, EPOLLIN) | add_ours(LIBRARIES, EPOLLIN);
}

void gr_loop_signals(int fd, void (*fn)(void))
{
	gr_hub_watches((fn != NULL) - (set.ours[SIGNALS] >= 0));
	if (set.ours[SIGNALS] >= 0)
		epoll_ctl(set.fd, EPOLL_CTL_DEL, set.ours[SIGNALS], NULL);
	set.ours[SIGNALS] = fn ? fd : -1;
	set.signals_fn = fn;
	add_ours(SIGNALS, EPOLLIN);
}

static void on_kick(void)
{
	uint64_t n;

	raw(SYS_read, set.ours[KICK], &n, sizeof(n));
	gr_offload_done();
	gr_uring_done();
	gr_hub_notes();
}

/* libev makes itself another epoll set when the one it has reports what it does not know. */
static void run_libraries(void)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_fd *was;
	int fd;

	c->hide_new = true;
	gr_hub_io_run();
	c->hide_new = false;
	fd = gr_hub_hidden_epoll();
	if (GR_LIKELY(fd < 0))
		return;
	was = gr_fd_peek(set.ours[LIBRARIES]);
	if (was && fd != set.ours[LIBRARIES]) {		/* libev has closed it */
		was->own = false;
		gr_fd_close(was->fd);
	}
	set.ours[LIBRARIES] = fd;
	add_ours(LIBRARIES, EPOLLIN);
}

static void on_ours(unsigned which)
{
	if (which & GR_BIT(TIMER))
		gr_hub_timer_fired();
	if (which & GR_BIT(KICK))
		on_kick();
	if ((which & GR_BIT(SIGNALS)) && set.signals_fn)
		set.signals_fn();
	if (which & GR_BIT(LIBRARIES))
		run_libraries();
}

/* --- a turn ----------------------------------------------------------------------------------------------------------------- */

static int new_set(void)
{
	long fd = raw(SYS_epoll_create1, EPOLL_CLOEXEC);

	return raw_failed(fd) ? -EMFILE : gr_own_fd((int)fd);
}

/*
 * A registered file was closed where we did not see it, and lives on elsewhere: the kernel goes on reporting it, and has no name for it by
 * which it could be taken out.  So everything is registered anew in another set.
 */
static void renew(void)
{
	int old = set.fd, fd = new_set();

	set.stale = false;
	if (fd < 0)
		return;
	set.fd = fd;
	gr_hub_set_is(fd);
	gr_own_fd_close(old);
	add_all_ours();
	gr_fd_watch_anew();
}

static struct gr_list *first_reader(const struct epoll_event *ev)
{
	struct gr_fd *f = gr_fd_peek((int)(uint32_t)ev->data.u64);

	return f && !gr_list_empty(&f->waiters[GR_READ]) ? f->waiters[GR_READ].next : NULL;
}

/* An entry, its first waiter and that one's greenlet are three steps, each to memory that the one before names. */
static void fetch(const struct epoll_event *got, int i, int n)
{
	const struct gr_greenlet *g;
	struct gr_list *reader;

	if (i + 3 * AHEAD < n)
		__builtin_prefetch(gr_fd_peek((int)(uint32_t)got[i + 3 * AHEAD].data.u64));
	if (i + 2 * AHEAD < n)
		__builtin_prefetch(first_reader(&got[i + 2 * AHEAD]));
	if (i + AHEAD < n && (reader = first_reader(&got[i + AHEAD]))) {
		g = gr_container(reader, struct gr_waiter, link)->g;
		__builtin_prefetch(g);
		__builtin_prefetch((const char *)g + 64);
		__builtin_prefetch((const char *)g + 128);
	}
}

static void handle(const struct epoll_event *got, int n)
{
	unsigned ours = 0;

	for (int i = 0; i < n; i++) {
		fetch(got, i, n);
		if (GR_UNLIKELY(got[i].data.u64 < OURS + N_OURS && got[i].data.u64 >= OURS))
			ours |= GR_BIT(got[i].data.u64 - OURS);
		else
			on_fd(got[i].data.u64, got[i].events);
	}
	if (ours)		/* after the others: what they do may close descriptors that events above are about */
		on_ours(ours);
}

/* Where the hub could not have a TLS block of its own, errno is the main thread's. */
void gr_loop_run(bool wait)
{
	static struct epoll_event got[EVENTS];
	int was = errno, n;

	if (GR_UNLIKELY(gr_hub_io_changed())) {		/* libev tells the kernel in a turn of its own, which may wake somebody */
		run_libraries();
		wait = false;
	}
	n = epoll_wait(set.fd, got, EVENTS, wait ? -1 : 0);
	if (n > 0)
		handle(got, n);
	else if (n < 0 && errno != EINTR)
		gr_die("the hub's epoll descriptor has been closed", -errno);
	if (GR_UNLIKELY(set.stale))
		renew();
	errno = was;
}

int gr_loop_make(int kick_fd, int timer_fd)
{
	int libraries = gr_hub_io_start();

	if (libraries < 0)
		return libraries;
	set.fd = new_set();
	if (set.fd < 0)
		return set.fd;
	gr_hub_set_is(set.fd);
	set.ours[KICK] = kick_fd;
	set.ours[TIMER] = timer_fd;
	set.ours[LIBRARIES] = libraries;
	return add_all_ours() == 0 ? 0 : -EMFILE;
}

/* Nothing is given back yet, as the child may only exec: its own loop begins with that. */
void gr_loop_fork_child(void)
{
	set.fd = -1;
	set.stale = false;
	for (int i = 0; i < N_OURS; i++)
		set.ours[i] = -1;
	set.signals_fn = NULL;
	gr_hub_io_fork_child();
}
