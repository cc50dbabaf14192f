/*
 * deadlock.c - the waits as a graph; what a futex word belongs to, as glibc lays out its objects
 *
 * An edge is a greenlet that waits without a deadline for something that only a greenlet can give.  A mutex that is waited for (its word is
 * 2, or names its owner), the rwlock of a writer, a thread that is joined and grove's own locks name their holder: there the edge leads.
 */
#include "deadlock.h"
#include "api/greenlet.h"
#include "api/info.h"
#include "arch/x86_64/arch.h"
#include "audit.h"
#include "clock.h"
#include "futex_queue.h"
#include "mem.h"
#include "report.h"
#include "sched.h"
#include "signal.h"
#include <linux/futex.h>
#include <string.h>

#define AT_MOST		50		/* greenlets that one report shows */

struct edge {
	struct gr_greenlet *g, *holder;		/* holder: NULL where nobody is known to be */
	uintptr_t object;			/* address, of the word if nothing better is known; 0: none */
	const char *kind;			/* for people; NULL: not known */
	uint32_t seen;				/* the walk that came by last */
	bool pi, api;
};

static struct deadlock {
	struct edge *edges;
	uint32_t n;
	uint64_t switches;		/* carrier->stats', at the last look */
	bool no_timers;			/* then */
	gr_time next;			/* not to be looked at again before */
	struct gr_timer timer;
	struct gr_report report;
} d;

/* --- what a word belongs to -------------------------------------------------------------------------------------------------------- */

static bool peek(uintptr_t at, int *ret)
{
	return gr_user_read(ret, (void *)at, sizeof(*ret)) == 0;
}

static struct gr_greenlet *tid_at(uintptr_t at)
{
	int tid;

	return peek(at, &tid) ? gr_find_tid(tid & FUTEX_TID_MASK) : NULL;
}

static bool is_mutex(struct edge *e, uintptr_t word)
{
	int value, kind, users;

	if (!peek(word, &value) || !peek(word + offsetof(pthread_mutex_t, __data.__kind), &kind) ||
	    !peek(word + offsetof(pthread_mutex_t, __data.__nusers), &users))
		return false;
	if (e->pi || (value & FUTEX_WAITERS))
		e->holder = tid_at(word);
	else if (value == 2 && users > 0 && (kind & ~0x1ff) == 0)
		e->holder = tid_at(word + offsetof(pthread_mutex_t, __data.__owner));
	e->kind = e->holder ? "mutex" : NULL;
	return e->holder != NULL;
}

/* Waiters stand at either of two words, which their alignment tells apart. */
static bool is_written_rwlock(struct edge *e, uintptr_t word)
{
	uintptr_t base = word - (word % 8 ? offsetof(pthread_rwlock_t, __data.__writers_futex) :
					    offsetof(pthread_rwlock_t, __data.__wrphase_futex));
	int readers, shared;

	if (!peek(base, &readers) || !(readers & 2) || !peek(base + offsetof(pthread_rwlock_t, __data.__shared), &shared) ||
	    (shared & ~1))
		return false;
	e->holder = tid_at(base + offsetof(pthread_rwlock_t, __data.__cur_writer));
	if (!e->holder)
		return false;
	e->kind = "rwlock";
	e->object = base;
	return true;
}

static bool is_joined(struct edge *e, uintptr_t word)
{
	struct gr_greenlet *g = tid_at(word);

	if (!g || (uintptr_t)g->clear_tid != word)
		return false;
	e->holder = g;
	e->kind = "thread";
	e->object = 0;
	return true;
}

/* The functions of libc's in which greenlets wait, how far the word is from the object's beginning, and what that is. */
static const struct {
	const char *prefix;
	unsigned back;
	const char *kind;
} waits[] = {
	{ "pthread_mutex_", 0, "mutex" },
	{ "pthread_cond_", offsetof(pthread_cond_t, __data.__g_signals), "condition variable" },
	{ "cnd_", offsetof(pthread_cond_t, __data.__g_signals), "condition variable" },
	{ "pthread_rwlock_", 0, "rwlock" },
	{ "sem_", 0, "semaphore" },
	{ "pthread_barrier_", 4, "barrier" },
	{ "pthread_once", 0, "pthread_once()" },
	{ "call_once", 0, "call_once()" },
	{ "cxa_guard_acquire", 0, "initialization of a static variable" },
};

/* Some of libc's functions are left by a jump and have no frame; the call instruction names them: call rel32, call *disp32(%rip), and
 * in the linkage table jmp *disp32(%rip), perhaps with a prefix. */
static const void *callee(const char *after)
{
	uint8_t c[16];
	int32_t rel;
	uintptr_t at;

	if (gr_user_read(c, after - 6, 6) < 0)
		return NULL;
	memcpy(&rel, c + 2, sizeof(rel));
	at = (uintptr_t)after + (uintptr_t)(intptr_t)rel;
	if (c[1] == 0xe8 && gr_user_read(c, (void *)at, sizeof(c)) == 0) {
		int skip = c[0] == 0xf3 ? 4 : 0;

		skip += c[skip] == 0xf2;
		if (c[skip] != 0xff || c[skip + 1] != 0x25)
			return (void *)at;
		memcpy(&rel, c + skip + 2, sizeof(rel));
		at += (uintptr_t)skip + 6 + (uintptr_t)(intptr_t)rel;
	} else if (c[0] != 0xff || c[1] != 0x15) {
		return NULL;
	}
	return gr_user_read(&at, (void *)at, sizeof(at)) == 0 ? (void *)at : NULL;
}

static bool kind_of(struct edge *e, const void *pc)
{
	struct gr_symbol s;
	const char *name;

	if (!pc || !gr_symbols_find(&d.report.symbols, pc, true, &s))
		return false;
	name = s.name + strspn(s.name, "_");
	for (size_t k = 0; k < GR_LENGTH(waits); k++) {
		if (strncmp(name, waits[k].prefix, strlen(waits[k].prefix)) != 0)
			continue;
		e->kind = waits[k].kind;
		e->object = (e->object - waits[k].back) & ~(uintptr_t)(waits[k].back > 4 ? 7 : 3);
		return true;
	}
	return false;
}

/* Where nothing in memory tells, libc's function does. */
static void kind_by_name(struct edge *e, const struct gr_frames *f)
{
	for (int i = 0; i < f->n && i < 6; i++)
		if (kind_of(e, f->at[i]) || kind_of(e, callee((const char *)f->at[i] + 1)))
			return;
}

static void identify(struct edge *e)
{
	if (e->api) {
		e->object = (uintptr_t)e->g->waits_on;
		e->kind = gr_info_kind(e->g->waits_on);
		e->holder = gr_object_holder(e->g->waits_on);
		if (gr_is(e->g->waits_on, GR_GREENLET) && e->holder)
			e->object = 0;
		return;
	}
	if (!is_joined(e, e->object) && !is_mutex(e, e->object))
		is_written_rwlock(e, e->object);
}

/* --- the graph ------------------------------------------------------------------------------------------------------------------------- */

static bool waits_for_greenlets(const struct gr_greenlet *g)
{
	return g->state == GR_PARKED && !g->timer.pos && g->waits && !(g->park_flags & GR_PARK_OUTSIDE) && !(g->api && g->api->service) &&
	       ((g->park_flags & GR_PARK_API) || strcmp(g->waits, "futex") == 0) && strcmp(g->waits, "idle") != 0;
}

static void note_word(struct gr_futex_waiter *w)
{
	struct edge *e;

	if (!w->g->edge)
		return;
	e = &d.edges[w->g->edge - 1];
	e->object = (uintptr_t)gr_futex_word(w->key);
	e->pi = w->kind == GR_FUTEX_PI;
}

static bool collect(struct gr_carrier *c)
{
	uint32_t room = c->stats.alive + 16;

	d.n = 0;
	d.edges = gr_mem_alloc(room * sizeof(*d.edges));
	if (!d.edges)
		return false;
	gr_list_each(it, &c->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		g->edge = 0;
		if (!waits_for_greenlets(g) || d.n == room)
			continue;
		d.edges[d.n] = (struct edge){ .g = g, .api = (g->park_flags & GR_PARK_API) != 0 };
		g->edge = ++d.n;
	}
	gr_futex_each(note_word);
	for (uint32_t i = 0; i < d.n; i++)
		identify(&d.edges[i]);
	return true;
}

static struct edge *next(const struct edge *e)
{
	return e->holder && e->holder->edge ? &d.edges[e->holder->edge - 1] : NULL;
}

/* Each walk goes on until it meets itself, which is a cycle, or an earlier one.  An edge of a cycle nobody has come by yet, or NULL. */
static struct edge *find_cycle(uint32_t *walk)
{
	while (*walk < d.n) {
		struct edge *e = &d.edges[(*walk)++];

		for (; e && !e->seen; e = next(e))
			e->seen = *walk;
		if (e && e->seen == *walk)
			return e;
	}
	return NULL;
}

static uint64_t hash(const struct edge *e)
{
	return ((uint64_t)(uint32_t)e->g->tid << 32 ^ e->object) * 0x9e3779b97f4a7c15ul;
}

/* --- telling ------------------------------------------------------------------------------------------------------------------------------ */

static void look_at_stack(const struct edge *e, struct gr_frames *f)
{
	void *at[GR_FRAMES];
	int n = gr_info_walk(e->g, at, GR_FRAMES), i = 0;

	while (n > 0 && gr_symbols_own((char *)at[n - 1] - 1))
		n--;
	while (i < n && gr_symbols_own((char *)at[i] - 1))
		i++;
	for (f->n = 0; i < n; i++)
		f->at[f->n++] = (char *)at[i] - 1;
}

/* "mutex m1 (0x404040)", "thread a (tid 1)", "condition variable 0x7f0000001000", "futex" */
static void put_object(const struct edge *e, struct gr_report *r)
{
	struct gr_symbol s;

	if (!e->object && e->holder) {
		gr_report_put(r, "the end of ");
		gr_report_thread(r, e->holder);
		return;
	}
	gr_report_put(r, e->kind ? e->kind : e->g->waits);
	gr_report_put(r, " ");
	if (!e->api && gr_symbols_find(&r->symbols, (void *)e->object, false, &s) && s.name[0]) {
		gr_report_put(r, s.name);
		if (s.offset) {
			gr_report_put(r, "+");
			gr_report_number(r, s.offset, 16);
		}
		gr_report_put(r, " (");
		gr_report_number(r, e->object, 16);
		gr_report_put(r, ")");
	} else {
		gr_report_number(r, e->object, 16);
	}
}

static void put_edge(const struct edge *e, struct gr_report *r)
{
	gr_report_thread(r, e->g);
	gr_report_put(r, " waits for ");
	put_object(e, r);
	if (!e->object || !e->holder)
		return;
	gr_report_put(r, ", held by ");
	if (e->holder == e->g)
		gr_report_put(r, "itself");
	else
		gr_report_thread(r, e->holder);
}

static void tell_edge(struct edge *e)
{
	struct gr_report *r = &d.report;
	struct gr_frames f;

	look_at_stack(e, &f);
	if (!e->kind)
		kind_by_name(e, &f);
	gr_report_put(r, "grove:   ");
	put_edge(e, r);
	gr_report_put(r, "\n");
	gr_report_frames(r, &f, "grove:       ");
	gr_report_write(r);
}

static void tell_cycle(const struct edge *first)
{
	struct gr_report *r = &d.report;
	const struct edge *e = first;

	gr_report_put(r, "grove:   the cycle: ");
	do {
		put_edge(e, r);
		e = next(e);
		gr_report_put(r, e == first ? "\n" : "; ");
	} while (e != first);
	gr_report_write(r);
}

/* "grove: deadlock of all 3 threads: nothing is left that could wake one", "grove: deadlock of 2 of 17 threads" */
static void head(unsigned n, bool all)
{
	unsigned alive = gr_carrier()->stats.alive - gr_carrier()->background;
	struct gr_report *r = &d.report;

	gr_report_put(r, all ? "grove: deadlock of all " : "grove: deadlock of ");
	gr_report_number(r, n, 10);
	if (!all) {
		gr_report_put(r, " of ");
		gr_report_number(r, alive, 10);
	}
	gr_report_put(r, (all ? n : alive) == 1 ? " thread" : " threads");
	gr_report_put(r, all ? ": nothing is left that could wake one\n" : "\n");
	gr_report_write(r);
}

static void tell_one_cycle(struct edge *first)
{
	struct edge *e = first;
	unsigned n = 0;
	uint64_t key = 0;

	do {
		key += hash(e);
		n++;
		e = next(e);
	} while (e != first);
	if (!gr_audit_is_new(key))
		return;
	head(n, false);
	do {
		tell_edge(e);
		e = next(e);
	} while (e != first);
	tell_cycle(first);
}

static bool is_new_state(void)
{
	uint64_t key = 1;

	for (uint32_t i = 0; i < d.n; i++)
		key += hash(&d.edges[i]);
	return gr_audit_is_new(key);
}

static void tell_all(void)
{
	struct gr_report *r = &d.report;
	struct edge *cycle;
	uint32_t walk = 0;

	if (!is_new_state())
		return;
	head(d.n, true);
	for (uint32_t i = 0; i < d.n && i < AT_MOST; i++)
		tell_edge(&d.edges[i]);
	if (d.n > AT_MOST) {
		gr_report_put(r, "grove:   and ");
		gr_report_number(r, d.n - AT_MOST, 10);
		gr_report_put(r, " more\n");
		gr_report_write(r);
	}
	while ((cycle = find_cycle(&walk)) != NULL)
		tell_cycle(cycle);
}

static void tell_cycles(void)
{
	struct edge *cycle;
	uint32_t walk = 0;

	while ((cycle = find_cycle(&walk)) != NULL)
		tell_one_cycle(cycle);
}

/* --- when ----------------------------------------------------------------------------------------------------------------------------------- */

static void look_again(struct gr_timer *t)
{
	(void)t;
}

/* A tick that is to come can wait for as long as this. */
static bool too_soon(struct gr_carrier *c, gr_time now)
{
	if (now >= d.next)
		return false;
	if (!d.timer.pos) {
		d.timer.at = d.next;
		d.timer.fire = look_again;
		gr_timer_add(&c->timers, &d.timer);
	}
	return true;
}

void gr_deadlock_look(bool no_timers)
{
	struct gr_carrier *c = gr_carrier();
	gr_time now = gr_now();

	if ((c->stats.switches == d.switches && (d.no_timers || !no_timers)) || too_soon(c, now))
		return;
	d.next = now + GR_DEADLOCK_EVERY;
	if (d.timer.pos) {
		gr_timer_del(&c->timers, &d.timer);
		no_timers = gr_nobody_due(c);
	}
	d.switches = c->stats.switches;
	d.no_timers = no_timers;
	if (collect(c) && d.n) {
		if (no_timers && gr_api_only_inside(c))
			tell_all();
		else
			tell_cycles();
	}
	gr_mem_free(d.edges);
	d.edges = NULL;
}

void gr_deadlock_fork_child(void)
{
	d.timer.pos = 0;
	d.switches = 0;
	d.next = 0;
}
