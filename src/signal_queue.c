/*
 * signal_queue.c - what is pending for whom, who gets what is sent to the process, and what has arrived
 *
 * The rules are those of kernel/signal.c: of signals below 32 one can be pending on a thread, and one for the process; what is sent to a
 * thread comes before what is sent to the process, faults' numbers before others, then the lowest number, equals in order.
 */
#include "signal_parts.h"
#include "hub.h"
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define ARRIVALS	4096u		/* between two looks; beyond, they stay in the kernel */
#define SPARE		64u		/* of these for what cannot be blocked there */
#define MANY		64u		/* so many at once: the kernel is to keep the next ones, or a storm would let nothing else run */
#define CHUNK		(64u * 1024)
#define SYNCHRONOUS	(FAULTS | GR_SIGBIT(SIGILL) | GR_SIGBIT(SIGTRAP) | GR_SIGBIT(SIGFPE) | GR_SIGBIT(SIGSYS))

static struct queues {
	struct gr_list free;
	struct gr_list process[GR_NSIG];	/* sent to the process; first come, first served */
	unsigned count[GR_NSIG];		/* how many there are in each, */
	unsigned claimed[GR_NSIG];		/* and how many of these somebody was woken for */
	uint64_t have;				/* signals with a count */
	uint64_t to_forget;			/* atomic: ignored since the last look */
	siginfo_t arrivals[ARRIVALS];		/* ring: written by the handler, read by gr_signal_collect() */
	int arrivals_for[ARRIVALS];		/* tid, or 0: the process */
	struct gr_greenlet *turn;		/* who had the last one that main did not want: the search for another begins here */
	unsigned used;				/* nodes that hold a signal */
} q = { .free = { &q.free, &q.free } };

bool gr_signal_full;
uint64_t gr_signal_held;

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
	gr_list_del(&p->link);
	gr_list_push(&q.free, &p->link);
	q.used--;
}

static void take_node(struct gr_pending *p, siginfo_t *ret_info)
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

/* Which of @set, not empty, comes first */
static int first_in(uint64_t set)
{
	if (set & SYNCHRONOUS)
		set &= SYNCHRONOUS;
	return __builtin_ctzll(set) + 1;
}

static struct gr_pending *first_of(struct gr_list *list, int sig)
{
	gr_list_each(it, list) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (p->info.si_signo == sig)
			return p;
	}
	return NULL;
}

uint64_t gr_signal_pending_set(struct gr_greenlet *g)
{
	return g->pending | g->claims;
}

uint64_t gr_signal_nobodys(void)
{
	return q.have;
}

static void take_private(struct gr_greenlet *g, int sig, siginfo_t *ret_info)
{
	take_node(first_of(&g->signals, sig), ret_info);
	if (!first_of(&g->signals, sig))
		g->pending &= ~GR_SIGBIT(sig);
}

bool gr_signal_take_own(uint64_t set, siginfo_t *ret_info)
{
	struct gr_greenlet *g = gr_carrier()->current;

	set &= g->pending;
	if (!set)
		return false;
	take_private(g, first_in(set), ret_info);
	return true;
}

/* --- claims ------------------------------------------------------------------------------------------------------------------- */

static void count(int sig, int nodes, int claims)
{
	uint64_t bit = GR_SIGBIT(sig);
	struct gr_carrier *c = gr_carrier();

	q.count[sig] += (unsigned)nodes;
	q.claimed[sig] += (unsigned)claims;
	q.have = q.count[sig] ? q.have | bit : q.have & ~bit;
	c->signals_spare = q.count[sig] > q.claimed[sig] ? c->signals_spare | bit : c->signals_spare & ~bit;
}

static void unclaim(struct gr_greenlet *g, int sig)
{
	g->claims &= ~GR_SIGBIT(sig);
	count(sig, 0, -1);
}

static void take_shared(struct gr_greenlet *g, int sig, siginfo_t *ret_info)
{
	if (g->claims & GR_SIGBIT(sig))
		unclaim(g, sig);
	take_node(gr_list_first(&q.process[sig], struct gr_pending, link), ret_info);
	count(sig, -1, 0);
}

bool gr_signal_take(uint64_t set, siginfo_t *ret_info)
{
	struct gr_carrier *c = gr_carrier();

	if (gr_signal_take_own(set, ret_info))
		return true;
	set &= c->current->claims | c->signals_spare;
	if (!set)
		return false;
	take_shared(c->current, first_in(set), ret_info);
	return true;
}

/* --- for one greenlet --------------------------------------------------------------------------------------------------------- */

static bool lets_in(const struct gr_greenlet *g, uint64_t bit)
{
	return !(g->sigmask & bit);
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

static int add(struct gr_list *list, const siginfo_t *info)
{
	struct gr_pending *p = node_new();

	if (!p)
		return -EAGAIN;
	p->info = *info;
	gr_list_push(list, &p->link);
	return 0;
}

/* As in the kernel, only one of each below 32 can be pending for a thread. */
int gr_signal_queue(struct gr_greenlet *g, const siginfo_t *info)
{
	uint64_t bit = GR_SIGBIT(info->si_signo);

	if ((lets_in(g, bit) && gr_signal_ignored(info->si_signo)) || (info->si_signo < REALTIME && (g->pending & bit)) ||
	    gr_signal_timer_merged(info))
		return 0;
	if (add(&g->signals, info) < 0)
		return -EAGAIN;
	g->pending |= bit;
	tell(g, bit);
	return 0;
}

int gr_signal_send(struct gr_greenlet *g, int sig, const siginfo_t *info)
{
	siginfo_t copy = *info;
	int r;

	copy.si_signo = sig;
	if (over_limit(&copy))
		return -EAGAIN;
	r = gr_signal_queue(g, &copy);
	return sig < REALTIME ? 0 : r;
}

/* --- for the process ------------------------------------------------------------------------------------------------------------ */

/* A worker without a greenlet does not, whatever its mask: gr_signal_rest(). */
static bool wants(const struct gr_greenlet *g, uint64_t bit)
{
	return g->state != GR_DEAD && !g->service && (!g->worker || g->api) && (lets_in(g, bit) || (g->waits_for & bit));
}

/* The kernel prefers threads that have none to see to yet. */
static bool is_free(const struct gr_greenlet *g)
{
	return g == gr_carrier()->current || (!g->claims && !(g->pending & (~g->sigmask | g->waits_for)));
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

/* One of them is spare: is there somebody to take it who does not know yet? */
static void find_taker(int sig)
{
	uint64_t bit = GR_SIGBIT(sig);
	struct gr_greenlet *g;

	if (!(gr_carrier()->signals_spare & bit))
		return;
	g = gr_signal_whose(&gr_list_first(&q.process[sig], struct gr_pending, link)->info);
	if (!g) {
		gr_list_each(it, &gr_carrier()->all)
			if (!gr_signal_wake_looker(gr_container(it, struct gr_greenlet, all)))
				break;
		return;
	}
	if (!(g->claims & bit)) {
		g->claims |= bit;
		count(sig, 0, 1);
	}
	tell(g, bit);
}

/* A timer's signal is pending once, with a count of the expirations missed, or one of a microsecond would fill the line. */
static bool merged(const siginfo_t *info)
{
	int sig = info->si_signo;

	if (info->si_code != SI_TIMER || !q.count[sig])
		return false;
	gr_list_each(it, &q.process[sig]) {
		siginfo_t *first = &gr_container(it, struct gr_pending, link)->info;
		int64_t missed = (int64_t)first->si_overrun + info->si_overrun + 1;

		if (first->si_code != SI_TIMER || first->si_timerid != info->si_timerid)
			continue;
		first->si_overrun = missed > INT_MAX ? INT_MAX : (int)missed;
		return true;
	}
	return false;
}

int gr_signal_to_process(const siginfo_t *info)
{
	int sig = info->si_signo;
	struct gr_greenlet *g = gr_signal_whose(info);

	if ((g && lets_in(g, GR_SIGBIT(sig)) && gr_signal_ignored(sig)) || merged(info) || (sig < REALTIME && q.count[sig]))
		return 0;
	if (!q.process[sig].next)
		gr_list_init(&q.process[sig]);
	if (add(&q.process[sig], info) < 0)
		return -EAGAIN;
	count(sig, 1, 0);
	find_taker(sig);
	return 0;
}

/* What it had claimed is for others. */
static void pass_on(struct gr_greenlet *g, uint64_t set)
{
	for (set &= g->claims; set; set &= set - 1) {
		unclaim(g, __builtin_ctzll(set) + 1);
		find_taker(__builtin_ctzll(set) + 1);
	}
}

void gr_signal_mask_changed(struct gr_greenlet *g, uint64_t was)
{
	uint64_t opened = was & ~g->sigmask & gr_carrier()->signals_spare;

	if (g->claims)
		pass_on(g, g->sigmask);
	if (g->service || g == gr_carrier()->current)
		return;			/* that looks by itself */
	for (; opened; opened &= opened - 1)
		find_taker(__builtin_ctzll(opened) + 1);
}

void gr_signal_ended(struct gr_greenlet *g)
{
	if (q.turn == g && g->state == GR_DEAD)
		q.turn = NULL;
	pass_on(g, ALL_SIGNALS);
	gr_signal_not_in_child(g);
}

/* --- no longer pending ------------------------------------------------------------------------------------------------------------ */

static void forget_process(int sig)
{
	while (q.count[sig]) {
		node_free(gr_list_first(&q.process[sig], struct gr_pending, link));
		count(sig, -1, 0);
	}
}

static void forget_private(struct gr_greenlet *g, uint64_t set)
{
	if (!(g->pending & set))
		return;
	gr_list_each_safe(it, &g->signals) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (set & GR_SIGBIT(p->info.si_signo))
			node_free(p);
	}
	g->pending &= ~set;
}

static void forget(uint64_t set)
{
	gr_list_each(it, &gr_carrier()->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		forget_private(g, set);
		for (uint64_t claims = g->claims & set; claims; claims &= claims - 1)
			unclaim(g, __builtin_ctzll(claims) + 1);
	}
	for (; set; set &= set - 1)
		forget_process(__builtin_ctzll(set) + 1);
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

static bool is_of_timer(const struct gr_pending *p, int sig, int id)
{
	return p->info.si_signo == sig && p->info.si_code == SI_TIMER && p->info.si_timerid == id;
}

/* Not where another has been woken for one: a thread of the kernel's would have begun to handle it by now. */
void gr_signal_forget_process_timer(int sig, int id)
{
	struct gr_greenlet *g = gr_carrier()->current;
	unsigned own = (g->claims & GR_SIGBIT(sig)) != 0;

	if (!q.count[sig] || q.claimed[sig] > own)
		return;
	gr_list_each_safe(it, &q.process[sig]) {
		struct gr_pending *p = gr_container(it, struct gr_pending, link);

		if (!is_of_timer(p, sig, id))
			continue;
		node_free(p);
		count(sig, -1, 0);
	}
	if (q.claimed[sig] > q.count[sig])
		unclaim(g, sig);
}

void gr_signal_forget_timer(int sig, int id)
{
	gr_list_each(it, &gr_carrier()->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		if (!(g->pending & GR_SIGBIT(sig)))
			continue;
		gr_list_each_safe(sit, &g->signals) {
			struct gr_pending *p = gr_container(sit, struct gr_pending, link);

			if (is_of_timer(p, sig, id))
				node_free(p);
		}
		if (!first_of(&g->signals, sig))
			g->pending &= ~GR_SIGBIT(sig);
	}
}

void gr_signal_nobodys_to_kernel(void)
{
	siginfo_t info;

	for (uint64_t set = q.have; set; set &= set - 1)
		for (int sig = __builtin_ctzll(set) + 1; q.count[sig];) {
			take_shared(gr_carrier()->current, sig, &info);
			raw(SYS_rt_sigqueueinfo, gr_carrier()->pid, sig, &info);
		}
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
	if (room > SPARE && ARRIVALS - room < MANY)
		return false;
	return gr_signal_full = true;
}

static int hand_out(const siginfo_t *info, int tid)
{
	struct gr_greenlet *g = tid ? gr_find_tid(tid) : NULL;

	if (g)
		return gr_signal_queue(g, info);
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
	if (GR_UNLIKELY(gr_signal_full || gr_signal_held)) {
		gr_signal_full = false;
		gr_signal_held = 0;
		gr_signal_apply();
	}
}

/* The mask is open when the signal handler returns: nothing can come in before. */
void gr_signal_collect_closed(void)
{
	gr_signal_full = false;
	gr_signal_held = 0;
	gr_signal_collect();
}

/* --- fork ------------------------------------------------------------------------------------------------------------------------ */

/* Pending signals are not inherited. */
void gr_signal_not_in_child(struct gr_greenlet *g)
{
	forget_private(g, ALL_SIGNALS);
	g->claims = 0;
}

void gr_signal_queue_fork_child(struct gr_greenlet *self)
{
	gr_signal_not_in_child(self);
	for (int sig = 1; sig < GR_NSIG; sig++) {
		q.claimed[sig] = 0;
		forget_process(sig);
	}
	gr_carrier()->signals_collected = gr_carrier()->signals_arrived;
	gr_signal_full = false;
	gr_signal_held = 0;
	q.turn = NULL;
}
