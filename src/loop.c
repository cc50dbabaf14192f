/*
 * loop.c - libev: one watcher per descriptor and direction, never re-initialised while the file lives
 *
 * A watcher is made when a descriptor is first waited for and stays started after its waiter was woken: the next wait then costs
 * no epoll_ctl.  It is stopped when an event finds nobody waiting, and at close.
 */
#include "loop.h"
#include "fd.h"
#include "hub.h"
#include "mem.h"
#include "offload.h"
#include "raw.h"
#include "sched.h"
#include "uring.h"
#include <errno.h>
#include <ev.h>
#include <sys/mman.h>

struct watch {
	struct ev_io io[2];		/* [GR_READ], [GR_WRITE] */
	uint32_t gen;			/* of the gr_fd when last started: another one means a new file under the number */
	uint32_t loops;			/* loops_left when last started: another one means a loop of an ancestor's */
	bool fresh;			/* the kernel has nothing registered for this file yet */
	struct watch *next_free;
};

static struct ev_loop *loop;
static uint32_t loops_left;		/* in the processes from which this one was forked */
static unsigned watched;		/* active watchers; never less than there are */
static struct watch *free_watches;
static struct ev_io kick_io, timer_io, signal_io;
static void (*signals_fn)(void);
static struct ev_periodic far;

struct ev_loop *gr_hub_loop(void)
{
	return loop;
}

bool gr_loop_watches(void)
{
	return watched > 0;
}

void gr_loop_start_io(struct ev_io *io)
{
	if (ev_is_active(io))
		return;
	ev_io_start(loop, io);
	watched++;
}

void gr_loop_stop_io(struct ev_io *io)
{
	watched -= ev_is_active(io) != 0;
	ev_io_stop(loop, io);		/* also where it is not active: it may be pending */
}

static void on_io(struct ev_loop *l, struct ev_io *io, int events)
{
	struct gr_fd *f = io->data;
	struct watch *w = f->watch;
	unsigned idle;

	(void)l;
	if (events & EV_ERROR) {	/* the kernel refuses to watch it, and libev has stopped both watchers */
		watched -= (unsigned)__builtin_popcount(f->armed);
		f->armed = 0;
		gr_fd_ready_all(f);
		return;
	}
	idle = gr_fd_ready(f, (events & EV_READ ? GR_BIT(GR_READ) : 0) | (events & EV_WRITE ? GR_BIT(GR_WRITE) : 0));

	for (int dir = GR_READ; dir <= GR_WRITE; dir++)
		if (idle & GR_BIT(dir)) {
			gr_loop_stop_io(&w->io[dir]);
			f->armed &= (uint8_t)~GR_BIT(dir);
		}
}

static void watch_init(struct watch *w)
{
	*w = (struct watch){ .fresh = true, .loops = loops_left };
	ev_init(&w->io[GR_READ], on_io);
	ev_init(&w->io[GR_WRITE], on_io);
}

static struct watch *watch_new(void)
{
	struct watch *w = free_watches;

	if (!w) {
		long p = raw(SYS_mmap, 0, 16 * GR_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (raw_failed(p))
			gr_die("no memory for a watcher", p);
		w = (struct watch *)p;
		for (size_t i = 0; i < 16 * GR_PAGE / sizeof(*w); i++) {
			w[i].next_free = free_watches;
			free_watches = &w[i];
		}
		w = free_watches;
	}
	free_watches = w->next_free;
	watch_init(w);
	return w;
}

/* EV__IOFDSET, set by ev_io_set(), makes libev tell the kernel even if it believes that it did so before. */
static void start(struct watch *w, struct gr_fd *f, int dir)
{
	int event = dir == GR_READ ? EV_READ : EV_WRITE;

	if (w->fresh) {
		ev_io_set(&w->io[dir], f->fd, event);
	} else {
		w->io[dir].fd = f->fd;
		ev_io_modify(&w->io[dir], event);
	}
	w->fresh = false;
	w->io[dir].data = f;
	gr_loop_start_io(&w->io[dir]);
	f->armed |= GR_BIT(dir);
	f->registered = true;
}

void gr_loop_look(struct gr_fd *f)
{
	struct watch *w = f->watch;

	if (w && GR_UNLIKELY(w->loops != loops_left)) {
		watch_init(w);
		w->gen = f->gen;
	} else if (w && w->gen != f->gen) {
		gr_loop_stop_io(&w->io[GR_READ]);
		gr_loop_stop_io(&w->io[GR_WRITE]);
		w->fresh = true;
		w->gen = f->gen;
		f->armed = 0;
	}
	for (int dir = GR_READ; dir <= GR_WRITE; dir++) {
		if (gr_list_empty(&f->waiters[dir]))
			continue;
		if (!w) {
			w = f->watch = watch_new();
			w->gen = f->gen;
		}
		if (!ev_is_active(&w->io[dir]))
			start(w, f, dir);
	}
}

/* Where the hub could not have a TLS block of its own, errno is the main thread's. */
void gr_loop_run(bool wait)
{
	int was = errno;

	ev_run(loop, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
	errno = was;
}

static void on_timer(struct ev_loop *l, struct ev_io *io, int events)
{
	uint64_t n;

	(void)l, (void)events;
	raw(SYS_read, io->fd, &n, sizeof(n));
	gr_hub_timer_fired();
}

static void on_kick(struct ev_loop *l, struct ev_io *io, int events)
{
	uint64_t n;

	(void)l, (void)events;
	raw(SYS_read, io->fd, &n, sizeof(n));
	gr_offload_done();
	gr_uring_done();
	gr_hub_notes();
}

static void on_signals(struct ev_loop *l, struct ev_io *io, int events)
{
	(void)l, (void)io, (void)events;
	signals_fn();
}

void gr_loop_signals(int fd, void (*fn)(void))
{
	if (ev_is_active(&signal_io))
		gr_loop_stop_io(&signal_io);
	signals_fn = fn;
	if (!fn)
		return;
	ev_io_init(&signal_io, on_signals, fd, EV_READ);
	gr_loop_start_io(&signal_io);
}

static void on_far(struct ev_loop *l, struct ev_periodic *p, int events)
{
	(void)l, (void)p, (void)events;
}

/* Memory that libev has for the hub's loop, so that a forked child can give back what the loop of its parent had. */
struct block {
	struct gr_list link;		/* in blocks; of other loops: in no list */
};

static struct gr_list blocks = { &blocks, &blocks };

static void now_at(struct block *b, bool hub)
{
	if (hub)
		gr_list_push(&blocks, &b->link);
	else
		gr_list_init(&b->link);
}

/* A greenlet may be switched out within malloc(), so the hub does not use it.  The program's own loops are run by greenlets. */
static void *loop_alloc(void *p, long size) EV_NOEXCEPT
{
	struct block *b = p ? (struct block *)p - 1 : NULL, *new = NULL;
	bool hub = b ? !gr_list_empty(&b->link) : gr_carrier()->current == gr_carrier()->hub;

	if (b)
		gr_list_del(&b->link);
	if (size > 0)
		new = gr_mem_realloc(b, (size_t)size + sizeof(*b));
	else
		gr_mem_free(b);
	if (new)
		now_at(new, hub);
	else if (b && size > 0)
		now_at(b, hub);
	return new ? new + 1 : NULL;
}

/* What is left of the loop of the process that we were forked from: its descriptors were closed long ago, and have other owners now. */
static void bury_loop(void)
{
	gr_list_each_safe(it, &blocks)
		gr_mem_free(gr_container(it, struct block, link));
	gr_list_init(&blocks);
}

int gr_loop_make(int kick_fd, int timer_fd)
{
	ev_set_allocator(loop_alloc);
	bury_loop();
	loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV | EVFLAG_NOSIGMASK);
	if (!loop)
		return -EMFILE;
	ev_io_init(&kick_io, on_kick, kick_fd, EV_READ);
	ev_io_start(loop, &kick_io);
	ev_io_init(&timer_io, on_timer, timer_fd, EV_READ);
	ev_io_start(loop, &timer_io);
	/* libev wakes once a minute to see whether the clock was set, unless a periodic watcher makes it use a timerfd for that */
	ev_periodic_init(&far, on_far, ev_time() + 10 * 365 * 86400., 0., NULL);
	ev_periodic_start(loop, &far);
	return 0;
}

/* Nothing is given back yet, as the child may only exec: its own loop begins with that. */
void gr_loop_fork_child(void)
{
	loop = NULL;
	loops_left++;
	watched = 0;
	ev_init(&signal_io, on_signals);
}
