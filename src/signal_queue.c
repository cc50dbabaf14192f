/*
 * signal_queue.c - what is pending for whom, who gets what is sent to the process, and what has arrived
 *
 * The rules are those of kernel/signal.c: of signals below 32 one can be pending on a thread, and one for the process; what is sent to a
 * thread comes before what is sent to the process, faults' numbers before others, then the lowest number, equals in order.
 */
#include "signal_parts.h"
#include "hub.h"
#include <sys/mman.h>
#include <sys/resource.h>

#define ARRIVALS	4096u		/* between two looks; beyond, they stay in the kernel */
#define SPARE		64u		/* of these for what cannot be blocked there */
#define CHUNK		(64u * 1024)
#define SYNCHRONOUS	(FAULTS | GR_SIGBIT(SIGILL) | GR_SIGBIT(SIGTRAP) | GR_SIGBIT(SIGFPE) | GR_SIGBIT(SIGSYS))

static struct queues {
	struct gr_list free;
	struct gr_list nobodys;			/* sent to the process, and everyone blocks it */
	uint64_t shared;			/* below 32: those sent to the process that are pending, here or on a greenlet's list */
	uint64_t to_forget;			/* atomic: ignored since the last look */
	siginfo_t arrivals[ARRIVALS];		/* ring: written by the handler, read by gr_signal_collect() */
	int arrivals_for[ARRIVALS];		/* tid, or 0: the process */
	bool full;				/* the kernel blocks everything until there is room */
	struct gr_greenlet *turn;		/* who had the last one that main did not want: the search for another begins here */
	unsigned used;				/* nodes that hold a signal */
} q = { .free = { &q.free, &q.free }, .nobodys = { &q.nobodys, &q.nobodys } };

/* --- nodes ------------------------------------------------------------------------------------------------------------------ */

static bool more_nodes(void)
{
	long p = raw(SYS_mmap, 0, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gr_pending *nodes = (struct gr_pending *)p;

	if (raw_failed(p))
		return false;
	for (size_t i = 0; i < CHUNK / sizeof(*nodes); i++)
		gr_list_push(&q.free, &nodes[i].link);
	return true;
}

static struct gr_pending *node_new(void)
{
	struct gr_pending *p;

	if (gr_list_empty(&q.free) && !more_nodes())
		return NULL;
	p = gr_list_first(&q.free, struct gr_pending, link);
	gr_list_del(&p->link);
	q.used++;
	return p;
}

static void node_free(struct gr_pending *p)
{
	gr_signal_timer_unqueued(&p->info);
	if (p->shared)
		q.shared &= ~GR_SIGBIT(p->info.si_signo);
	gr_list_del(&p->link);
	gr_list_push(&q.free, &p->link);
	q.used--;
}

void gr_signal_unqueue(struct gr_pending *p, siginfo_t *ret_info)
{
	*ret_info = p->info;
	gr_signal_timer_told(ret_info);
	node_free(p);
}

/* As the kernel counts: those it is asked to queue by sigqueue() and the like, real-time ones alone. */
static bool over_limit(const siginfo_t *info)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (info->si_signo < REALTIME || info->si_code >= 0)
		return false;
	raw(SYS_prlimit64, 0, RLIMIT_SIGPENDING, 0, &limit);
	return q.used + 1 > limit.rlim_cur;
}

/* --- what is pending --------------------------------------------------------------------------------------------------------- */

static bool before(const struct gr_pending *a, const struct gr_pending *b)
{
	bool sync_a = (SYNCHRONOUS & GR_SIGBIT(a->info.si_signo)) != 0, sync_b = (SYNCHRONOUS & GR_SIGBIT(b->info.si_signo)) != 0;

	if (a->shared != b->shared)
		return b->shared;
	return sync_a != sync_b ? sync_a : a->info.si_signo < b->info.si_signo;
}

static struct gr_pending *first_of(struct gr_list *list, uint64_t set)
{
	struct gr_pending *best = NULL;

	gr_list_each(it, list) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if ((set & GR_SIGBIT(p->info.si_signo)) && (!best || before(p, best)))
			best = p;
	}
	return best;
}

struct gr_pending *gr_signal_next(struct gr_greenlet *g, uint64_t set)
{
	return gr_list_empty(&g->signals) ? NULL : first_of(&g->signals, set);
}

bool gr_signal_pending(void)
{
	struct gr_greenlet *g = gr_carrier()->current;

	return GR_UNLIKELY(!gr_list_empty(&g->signals)) && first_of(&g->signals, ~g->sigmask) != NULL;
}

static uint64_t set_of(const struct gr_list *list)
{
	uint64_t set = 0;

	gr_list_each(it, list)
		set |= GR_SIGBIT(gr_container(it, struct gr_pending, link)->info.si_signo);
	return set;
}

uint64_t gr_signal_pending_set(struct gr_greenlet *g)
{
	return set_of(&g->signals);
}

uint64_t gr_signal_nobodys(void)
{
	return set_of(&q.nobodys);
}

void gr_signal_nobodys_to_kernel(void)
{
	gr_list_each_safe(it, &q.nobodys) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (raw(SYS_rt_sigqueueinfo, gr_carrier()->pid, p->info.si_signo, &p->info) == 0)
			node_free(p);
	}
}

bool gr_signal_take(uint64_t set, siginfo_t *ret_info)
{
	struct gr_pending *p = gr_signal_next(gr_carrier()->current, set);

	if (!p)
		p = first_of(&q.nobodys, set);
	if (!p)
		return false;
	gr_signal_unqueue(p, ret_info);
	return true;
}

/* --- for one greenlet --------------------------------------------------------------------------------------------------------- */

static bool lets_in(const struct gr_greenlet *g, uint64_t bit)
{
	return !(g->sigmask & bit);
}

/* As in the kernel, only one of each below 32 can be pending: for a thread, and for the process. */
static bool is_there(struct gr_greenlet *g, int sig, bool shared)
{
	if (sig >= REALTIME)
		return false;
	if (shared)
		return (q.shared & GR_SIGBIT(sig)) != 0;
	gr_list_each(it, &g->signals) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (!p->shared && p->info.si_signo == sig)
			return true;
	}
	return false;
}

static void tell(struct gr_greenlet *g, uint64_t bit)
{
	struct gr_carrier *c = gr_carrier();

	if (!lets_in(g, bit) && !(g->waits_for & bit)) {
		gr_signal_wake_looker(g);
	} else if (g == c->current) {
		c->todo |= GR_TODO_SIGNAL;
	} else if (g->waits_for & bit) {
		gr_signal_wait_ends(g);
		gr_wake(g, 0);
	} else if (g->park_flags & GR_PARK_INTR) {
		gr_wake(g, -EINTR);
	}
}

static void place(struct gr_pending *p, struct gr_greenlet *g)
{
	gr_list_push(&g->signals, &p->link);
	tell(g, GR_SIGBIT(p->info.si_signo));
}

static struct gr_pending *node_for(const siginfo_t *info, bool shared)
{
	struct gr_pending *p = node_new();

	if (!p)
		return NULL;
	p->info = *info;
	p->shared = shared;
	if (shared && info->si_signo < REALTIME)
		q.shared |= GR_SIGBIT(info->si_signo);
	return p;
}

int gr_signal_queue(struct gr_greenlet *g, const siginfo_t *info, bool shared)
{
	int sig = info->si_signo;
	struct gr_pending *p;

	if ((lets_in(g, GR_SIGBIT(sig)) && gr_signal_ignored(sig)) || is_there(g, sig, shared) || gr_signal_timer_merged(info))
		return 0;
	p = node_for(info, shared);
	if (!p)
		return -EAGAIN;
	place(p, g);
	return 0;
}

int gr_signal_send(struct gr_greenlet *g, int sig, const siginfo_t *info)
{
	siginfo_t copy = *info;
	int r;

	copy.si_signo = sig;
	if (over_limit(&copy))
		return -EAGAIN;
	r = gr_signal_queue(g, &copy, false);
	return sig < REALTIME ? 0 : r;
}

/* --- for the process ------------------------------------------------------------------------------------------------------------ */

static bool wants(const struct gr_greenlet *g, uint64_t bit)
{
	return g->state != GR_DEAD && !g->service && (lets_in(g, bit) || (g->waits_for & bit));
}

/* The kernel prefers threads that have none to see to yet. */
static bool is_free(struct gr_greenlet *g)
{
	return g == gr_carrier()->current || !gr_signal_next(g, ~g->sigmask | g->waits_for);
}

static struct gr_greenlet *after(struct gr_greenlet *g)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_list *next = g->all.next == &c->all ? c->all.next : g->all.next;

	return gr_container(next, struct gr_greenlet, all);
}

/* From where the last search ended, in order of birth. */
static struct gr_greenlet *search(uint64_t bit, bool free)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *first, *g;

	if (gr_list_empty(&c->all))
		return NULL;
	first = g = q.turn ? q.turn : gr_list_first(&c->all, struct gr_greenlet, all);
	do {
		if (wants(g, bit) && (!free || is_free(g)))
			return q.turn = g;
		g = after(g);
	} while (g != first);
	return NULL;
}

/*
 * The main thread if it wants it, else another that does.  A timer's goes to who runs, which is what a profiler is after, and what the kernel
 * does for timers since 6.4.
 */
struct gr_greenlet *gr_signal_whose(const siginfo_t *info)
{
	struct gr_carrier *c = gr_carrier();
	uint64_t bit = GR_SIGBIT(info->si_signo);
	struct gr_greenlet *g;

	if (!((gr_signal_let_in() | gr_signal_waited()) & bit))
		return NULL;
	if (info->si_code == SI_TIMER && !c->inside && wants(c->current, bit))
		return c->current;
	if (wants(c->main, bit) && is_free(c->main))
		return c->main;
	g = search(bit, true);
	if (!g)
		g = wants(c->main, bit) ? c->main : search(bit, false);
	return g;
}

static void to_whom_it_concerns(struct gr_pending *p)
{
	struct gr_greenlet *g = gr_signal_whose(&p->info);

	if (g) {
		place(p, g);
		return;
	}
	gr_list_push(&q.nobodys, &p->link);
	gr_list_each(it, &gr_carrier()->all)
		if (!gr_signal_wake_looker(gr_container(it, struct gr_greenlet, all)))
			break;
}

int gr_signal_to_process(const siginfo_t *info)
{
	struct gr_greenlet *g = gr_signal_whose(info);
	struct gr_pending *p;

	if (g)
		return gr_signal_queue(g, info, true);
	if (is_there(NULL, info->si_signo, true))
		return 0;
	p = node_for(info, true);
	if (!p)
		return -EAGAIN;
	to_whom_it_concerns(p);
	return 0;
}

/* What was sent to the process and is now blocked by @g, or left behind by it, is for others; what it now lets in is for it. */
static void pass_on(struct gr_greenlet *g, uint64_t set)
{
	gr_list_each_safe(it, &g->signals) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (p->shared && (set & GR_SIGBIT(p->info.si_signo))) {
			gr_list_del(it);
			to_whom_it_concerns(p);
		}
	}
}

void gr_signal_mask_changed(struct gr_greenlet *g, uint64_t was)
{
	uint64_t opened = was & ~g->sigmask;

	if (!gr_list_empty(&g->signals) && (g->sigmask & ~was))
		pass_on(g, g->sigmask & ~was);
	if (gr_list_empty(&q.nobodys) || !opened || g->service)
		return;
	gr_list_each_safe(it, &q.nobodys) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (opened & GR_SIGBIT(p->info.si_signo)) {
			gr_list_del(it);
			place(p, g);
		}
	}
}

void gr_signal_ended(struct gr_greenlet *g)
{
	if (q.turn == g && g->state == GR_DEAD)
		q.turn = NULL;
	if (gr_list_empty(&g->signals))
		return;
	pass_on(g, ALL_SIGNALS);
	gr_list_each_safe(it, &g->signals) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (!p->shared)
			node_free(p);
	}
}

/* --- no longer pending ------------------------------------------------------------------------------------------------------------ */

static void forget_in(struct gr_list *list, uint64_t set)
{
	gr_list_each_safe(it, list) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (set & GR_SIGBIT(p->info.si_signo))
			node_free(p);
	}
}

static void forget(uint64_t set)
{
	gr_list_each(it, &gr_carrier()->all)
		forget_in(&gr_container(it, struct gr_greenlet, all)->signals, set);
	forget_in(&q.nobodys, set);
}

/* A signal that is now ignored is no longer pending anywhere. */
void gr_signal_forget(int sig)
{
	gr_signal_collect();
	forget(GR_SIGBIT(sig));
}

void gr_signal_forget_later(int sig)
{
	__atomic_fetch_or(&q.to_forget, GR_SIGBIT(sig), __ATOMIC_RELAXED);
}

static void forget_timer_in(struct gr_list *list, int sig, int id)
{
	gr_list_each_safe(it, list) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (p->info.si_signo == sig && p->info.si_code == SI_TIMER && p->info.si_timerid == id)
			node_free(p);
	}
}

void gr_signal_forget_timer(int sig, int id)
{
	gr_list_each(it, &gr_carrier()->all)
		forget_timer_in(&gr_container(it, struct gr_greenlet, all)->signals, sig, id);
}

/* --- arrivals ------------------------------------------------------------------------------------------------------------------- */

bool gr_signal_note(const siginfo_t *info, int tid)
{
	struct gr_carrier *c = gr_carrier();
	unsigned i = c->signals_arrived % ARRIVALS, room = ARRIVALS - (c->signals_arrived - c->signals_collected);

	if (room > 0) {
		q.arrivals[i] = *info;
		q.arrivals_for[i] = tid;
		c->signals_arrived++;
	}
	c->todo |= GR_TODO_SIGNAL;
	if (c->current == c->hub)
		gr_hub_kick();
	if (room > SPARE)
		return false;
	return q.full = true;
}

static int hand_out(const siginfo_t *info, int tid)
{
	struct gr_greenlet *g = tid ? gr_find_tid(tid) : NULL;

	if (g)
		return gr_signal_queue(g, info, false);
	return tid ? 0 : gr_signal_to_process(info);		/* that thread is no more */
}

void gr_signal_collect(void)
{
	struct gr_carrier *c = gr_carrier();

	if (GR_UNLIKELY(__atomic_load_n(&q.to_forget, __ATOMIC_RELAXED) != 0))
		forget(__atomic_exchange_n(&q.to_forget, 0, __ATOMIC_RELAXED));
	while (c->signals_collected != c->signals_arrived) {
		unsigned i = c->signals_collected % ARRIVALS;

		if (hand_out(&q.arrivals[i], q.arrivals_for[i]) < 0)
			return;		/* no memory: later */
		c->signals_collected++;
	}
	if (GR_UNLIKELY(q.full)) {
		q.full = false;
		gr_signal_apply();
	}
}

/* --- fork ------------------------------------------------------------------------------------------------------------------------ */

/* Pending signals are not inherited. */
void gr_signal_not_in_child(struct gr_greenlet *g)
{
	gr_list_each_safe(it, &g->signals)
		node_free(gr_container(it, struct gr_pending, link));
}

void gr_signal_queue_fork_child(struct gr_greenlet *self)
{
	gr_signal_not_in_child(self);
	forget_in(&q.nobodys, ALL_SIGNALS);
	gr_carrier()->signals_collected = gr_carrier()->signals_arrived;
	q.full = false;
	q.turn = NULL;
	q.shared = 0;
}
