/*
 * sched.c - greenlets and the run queue: park, wake, yield, exit
 */
#include "sched.h"
#include "arch/x86_64/arch.h"
#include "clock.h"
#include "hub.h"
#include "preempt.h"
#include "raw.h"
#include "share.h"
#include "signal.h"
#include "threads.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

struct gr_carrier gr_carrier0 = { .inside = GR_INSIDE };

#define BUDGET		256		/* green calls a greenlet may make before others have a turn */

/*
 * Records live in chunks that are never given back; a record's place is part of its tid, so tids are found without searching:
 * GR_FIRST_TID + generation * 2^20 + place.  The generation makes a reused place a new tid.  The salt makes a forked child's tids other
 * ones than its parent's: locks in memory they share hold tids.
 */
#define PLACE_BITS	20
#define CHUNK_BITS	8
#define GENERATIONS	512u

static struct gr_greenlet *chunks[1u << (PLACE_BITS - CHUNK_BITS)];
static uint32_t places;			/* handed out so far */
static uint32_t salt;
static struct gr_list free_records = { &free_records, &free_records };

static struct gr_greenlet *record_at(uint32_t place)
{
	return &chunks[place >> CHUNK_BITS][place % (1u << CHUNK_BITS)];
}

static struct gr_greenlet *record_new(void)
{
	struct gr_greenlet *g;

	if (!gr_list_empty(&free_records)) {
		g = gr_list_first(&free_records, struct gr_greenlet, run);
		gr_list_del(&g->run);
		return g;
	}
	if (places == 1u << PLACE_BITS)
		return NULL;
	if (places % (1u << CHUNK_BITS) == 0) {
		long p = raw(SYS_mmap, 0, sizeof(*g) << CHUNK_BITS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (raw_failed(p))
			return NULL;
		chunks[places >> CHUNK_BITS] = (struct gr_greenlet *)p;
	}
	g = record_at(places);
	g->place = places++;
	return g;
}

static void record_free(struct gr_greenlet *g)
{
	gr_list_push_front(&free_records, &g->run);
}

static struct gr_list renamed = { &renamed, &renamed };

void gr_greenlet_rename(struct gr_greenlet *g, int tid)
{
	g->tid = tid;
	gr_list_push(&renamed, &g->renamed);
}

static struct gr_greenlet *find_renamed(int tid)
{
	gr_list_each(it, &renamed) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, renamed);

		if (g->tid == tid)
			return g;
	}
	return NULL;
}

struct gr_greenlet *gr_find_tid(int tid)
{
	struct gr_carrier *c = gr_carrier();
	uint32_t place = (((uint32_t)tid - GR_FIRST_TID) ^ salt) % (1u << PLACE_BITS);
	struct gr_greenlet *g;

	if (c->main && tid == c->main->tid)
		return c->main->state == GR_DEAD ? NULL : c->main;
	if (tid < GR_FIRST_TID)
		return find_renamed(tid);
	if (place >= places)
		return NULL;
	g = record_at(place);
	return g->tid == tid && g->state != GR_DEAD ? g : NULL;
}

struct gr_greenlet *gr_find_fs(uintptr_t fs)
{
	struct gr_carrier *c = gr_carrier();

	if (c->current->fs == fs)
		return c->current;
	if (c->tid_at) {
		struct gr_greenlet *g = gr_find_tid(*(int *)(fs + c->tid_at));

		return g && g->fs == fs ? g : NULL;
	}
	gr_list_each(it, &c->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		if (g->fs == fs)
			return g;
	}
	return NULL;
}

static void expire(struct gr_timer *t)
{
	gr_wake(gr_container(t, struct gr_greenlet, timer), -ETIMEDOUT);
}

void gr_greenlet_init(struct gr_greenlet *g, uintptr_t fs, int tid)
{
	*g = (struct gr_greenlet){ .fs = fs, .tid = tid, .state = GR_READY, .timer.fire = expire, .altstack.ss_flags = SS_DISABLE,
				   .limit = GR_NEVER };
	gr_list_init(&g->run);
	gr_list_init(&g->all);
	gr_list_init(&g->signals);
	gr_list_init(&g->renamed);
}

struct gr_greenlet *gr_greenlet_new(uintptr_t fs)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = record_new();
	uint32_t place, generation;

	if (!g)
		return NULL;
	place = g->place;
	generation = (g->generation + 1u) % GENERATIONS;
	gr_greenlet_init(g, fs, GR_FIRST_TID + (int)(((generation << PLACE_BITS) + place) ^ salt));
	g->place = place;
	g->generation = (uint16_t)generation;
	memcpy(g->name, c->current->name, sizeof(g->name));
	gr_signal_born(g);
	return g;
}

void gr_greenlet_drop(struct gr_greenlet *g)
{
	gr_signal_dead(g);
	gr_list_del(&g->renamed);
	g->state = GR_DEAD;
	record_free(g);
}

void gr_greenlet_start(struct gr_greenlet *g, void *sp)
{
	struct gr_carrier *c = gr_carrier();

	g->sp = sp;
	gr_list_push(&c->all, &g->all);
	gr_list_push(&c->ready, &g->run);
	c->stats.made++;
	if (GR_UNLIKELY(c->tick == GR_TICK_ALONE || c->tick == GR_TICK_IDLE))
		gr_preempt_needed(c);
	if (++c->stats.alive > c->stats.at_most)
		c->stats.at_most = c->stats.alive;
}

/* Whatever ended before us can be buried now that nobody stands on its stack. */
static void arrived(struct gr_carrier *c)
{
	struct gr_greenlet *dead = c->corpse;

	if (GR_UNLIKELY(dead != NULL)) {
		c->corpse = NULL;
		gr_thread_gone(dead);
		if (dead != c->main)
			record_free(dead);
	}
	if (GR_UNLIKELY(c->altstack_of != NULL))
		gr_signal_altstack(c->current);
	if (GR_UNLIKELY(c->parted))
		gr_signal_parted();
	c->budget = BUDGET;
	c->todo = 0;
	if (GR_UNLIKELY(c->signals_collected != c->signals_arrived))	/* on the way here: nobody may look again for long */
		gr_signal_collect();
	if (GR_UNLIKELY(gr_signal_pending()))
		c->todo |= GR_TODO_SIGNAL;
}

void gr_greenlet_started(void)
{
	arrived(gr_carrier());
}

/*
 * The next in the queue left its frames long ago: have them on their way to the cache while another one runs.  Four lines do better than two
 * or eight.  __builtin_prefetch() would be nothing at all here, as it counts among the vector instructions.
 */
static void prefetch_next(struct gr_carrier *c)
{
	const char *sp;

	if (gr_list_empty(&c->ready))
		return;
	sp = gr_list_first(&c->ready, struct gr_greenlet, run)->sp;
	for (size_t line = 0; line < 4; line++)
		__asm__ volatile("prefetcht0 %0" : : "m"(sp[64 * line]));
}

static void make_hub(struct gr_carrier *c)
{
	if (gr_hub_start() < 0)
		gr_die("no memory for the hub", ENOMEM);
	gr_list_push(&c->ready, &c->hub->run);
}

/* The first of the run queue, which is not empty, leaves it.  Its link is left as it is: nobody asks it. */
static struct gr_greenlet *pop(struct gr_carrier *c)
{
	struct gr_list *first = c->ready.next, *next = first->next;

	c->ready.next = next;
	next->prev = &c->ready;
	return gr_container(first, struct gr_greenlet, run);
}

/*
 * When it has had its turn, the hub stands in the run queue behind everyone it woke: it must not look again before they have run, since
 * a descriptor whose waiter has not come to read yet would be reported again, to nobody.  Nor need it look as soon as it comes to the
 * front: once its place has passed, it runs when nobody is ready, or GR_HUB_EVERY switches after its last turn.
 */
static inline struct gr_greenlet *pick_in_order(struct gr_carrier *c)
{
	while (!gr_list_empty(&c->ready) && GR_LIKELY(c->since_hub < GR_HUB_EVERY || !c->hub_passed)) {
		struct gr_greenlet *g = pop(c);

		if (GR_LIKELY(g != c->hub))
			return g;
		c->hub_passed = true;
	}
	c->since_hub = 0;
	c->hub_passed = false;
	return c->hub;
}

static __attribute__((noinline, cold)) struct gr_greenlet *pick_sharing(struct gr_carrier *c)
{
	struct gr_greenlet *g;

	if (!c->hub)
		make_hub(c);
	g = gr_share_next(c);
	if (!g) {
		g = pick_in_order(c);
		gr_share_begins(c, g);
	}
	return g;
}

static struct gr_greenlet *pick(struct gr_carrier *c)
{
	c->since_hub++;
	return GR_UNLIKELY(c->sharing) ? pick_sharing(c) : pick_in_order(c);
}

/* In a call through the gate the caller's vector registers are not ours to use. */
static __attribute__((noinline, cold)) void tell_of_switch(struct gr_carrier *c, struct gr_greenlet *from, struct gr_greenlet *to)
{
	c->switch_to = to;
	if (from->regs)
		gr_with_vectors(c->on_switch);
	else
		c->on_switch();
}

static void switch_to_next(struct gr_carrier *c)
{
	struct gr_greenlet *from = c->current, *to = pick(c);
	uintptr_t fs = to->fs == from->fs ? 0 : to->fs;

	if (GR_UNLIKELY(c->on_switch != NULL))
		tell_of_switch(c, from, to);
	to->state = GR_RUNNING;
	if (to == from)
		return;
	if (GR_UNLIKELY(c->tick == GR_TICK_IDLE) && to != c->hub)
		gr_preempt_needed(c);
	c->current = to;
	prefetch_next(c);
	c->stats.switches++;
	if (GR_UNLIKELY(c->altstack_of == from))
		gr_signal_altstack_left(from);
	if (from->regs)
		gr_switch_x(&from->sp, to->sp, fs);
	else
		gr_switch(&from->sp, to->sp, fs);
	arrived(c);
}

int gr_park(const char *waits, gr_time deadline, unsigned flags)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	bool limited = false;

	flags |= g->hold;
	if ((flags & GR_PARK_INTR) && GR_UNLIKELY(gr_signal_pending()))
		return -EINTR;
	if (GR_UNLIKELY(g->cancel) && g->in_door && !g->cancel_off && (flags & GR_PARK_INTR))
		return -EINTR;		/* cancelled after the door had looked */
	if (GR_UNLIKELY(g->limit < deadline) && (flags & (GR_PARK_INTR | GR_PARK_HOLD)) == GR_PARK_INTR) {
		if (g->limit == GR_BROKEN) {		/* who goes on calling must not keep others from their turn */
			gr_yield();
			return -GR_EBROKEN;
		}
		limited = true;
		deadline = g->limit;
	}
	g->waits = waits;
	g->parked_at = c->turn_at;
	g->park_flags = flags;
	g->parks++;
	g->result = 0;
	g->state = GR_PARKED;
	if (deadline != GR_NEVER) {
		g->timer.at = deadline;
		if (gr_timer_add(&c->timers, &g->timer) < 0) {
			g->state = GR_RUNNING;
			return -ENOMEM;
		}
	}
	switch_to_next(c);
	g->waits = NULL;
	if (GR_UNLIKELY(limited) && g->result == -ETIMEDOUT)
		return gr_break_expired();
	return g->result;
}

static inline bool wake_into(struct gr_carrier *c, struct gr_list *queue, struct gr_greenlet *g, int result)
{
	if (g->state != GR_PARKED)
		return false;
	g->state = GR_READY;
	g->result = result;
	if (g->timer.pos)
		gr_timer_del(&c->timers, &g->timer);
	gr_list_push(queue, &g->run);
	if (GR_UNLIKELY(c->tick == GR_TICK_IDLE) && c->current != c->hub)
		gr_preempt_needed(c);
	return true;
}

bool gr_wake(struct gr_greenlet *g, int result)
{
	struct gr_carrier *c = gr_carrier();

	return wake_into(c, &c->ready, g, result);
}

bool gr_wake_soon(struct gr_greenlet *g, int result)
{
	struct gr_carrier *c = gr_carrier();

	return wake_into(c, GR_UNLIKELY(c->sharing) ? &c->share.soon : &c->ready, g, result);
}

bool gr_others_ready(void)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_list *first = c->ready.next;

	if (!gr_list_empty(&c->share.soon))
		return true;
	return first != &c->ready && !(c->hub && first == &c->hub->run && first->next == &c->ready);
}

void gr_yield(void)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;

	g->state = GR_READY;
	gr_list_push(&c->ready, &g->run);
	switch_to_next(c);
}

void gr_hub_leave(void)
{
	struct gr_carrier *c = gr_carrier();

	gr_list_push(&c->ready, &c->hub->run);
	switch_to_next(c);
}

_Noreturn void gr_exit(void)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;

	g->state = GR_DEAD;
	g->regs = NULL;
	gr_list_del(&g->all);
	gr_list_del(&g->renamed);
	gr_signal_dead(g);
	c->stats.alive--;
	c->corpse = g;
	switch_to_next(c);
	__builtin_unreachable();
}

int gr_start(void)
{
	struct gr_carrier *c = gr_carrier();
	static struct gr_greenlet main_greenlet;
	size_t robust_size;
	int r = gr_arch_init();

	if (r < 0)
		return r;
	c->pid = (int)raw(SYS_getpid);
	c->tid = (int)raw(SYS_gettid);
	gr_list_init(&c->ready);
	gr_share_start(c);
	gr_list_init(&c->all);
	gr_list_init(&c->idlers);
	gr_greenlet_init(&main_greenlet, gr_arch_fs(), c->tid);
	main_greenlet.state = GR_RUNNING;
	c->base_fs = main_greenlet.fs;
	gr_list_push(&c->all, &main_greenlet.all);
	c->main = c->current = &main_greenlet;
	c->stats.alive = c->stats.at_most = 1;
	c->budget = BUDGET;
	c->turn_at = gr_now();
	raw(SYS_prctl, PR_GET_NAME, main_greenlet.name);
	raw(SYS_get_robust_list, 0, &main_greenlet.robust, &robust_size);
	return 0;
}

void gr_sched_fork_child(void)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *self = c->current;

	c->pid = (int)raw(SYS_getpid);
	c->tid = (int)raw(SYS_gettid);
	salt = (uint32_t)c->pid * 2654435761u & (GR_FIRST_TID - 1);
	gr_list_init(&renamed);
	gr_list_init(&self->renamed);
	self->standin = NULL;
	gr_timers_reset(&c->timers);
	c->quiet_timers = 0;
	self->timer.pos = 0;
	gr_list_each_safe(it, &c->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		if (g == self)
			continue;
		g->state = GR_DEAD;
		gr_list_init(&g->renamed);
		gr_list_del(&g->all);
		for (struct gr_place *p = g->in_line; p; p = p->also)
			gr_list_del(&p->link);
		gr_signal_not_in_child(g);
		gr_thread_gone(g);
		if (g != c->main)
			record_free(g);
	}
	gr_list_init(&c->ready);
	gr_share_start(c);
	c->hub_passed = false;
	gr_list_init(&c->all);
	gr_list_push(&c->all, &self->all);
	self->tid = c->tid;
	c->main = self;
	c->hub = NULL;
	c->corpse = NULL;
	gr_list_init(&c->idlers);
	c->loop_greenlet = NULL;
	c->natives = c->vm_child = false;
	c->native_threads = c->own_threads = 0;
	c->background = c->outside = 0;
	c->stats = (struct gr_stats){ .alive = 1, .at_most = 1 };
}
