/*
 * trace.c - grove/trace.h: whoever wants to be told of switches, or to know that there were some
 *
 * Assertions are known by the address of the caller's struct and kept in records of our own: a greenlet may end, or leave the frame,
 * without ending its assertion.
 */
#include "greenlet.h"
#include "../clock.h"
#include <grove/trace.h>
#include <stdlib.h>

struct assertion {
	struct gr_list link;
	const struct grove_assert *of;
	struct grove_greenlet *rec;
	uint64_t id;			/* rec's, which may be another's by now */
	gr_time since;			/* when the greenlet's turn began */
	gr_time longest, max;		/* max: GR_NEVER for grove_assert_switches() */
	bool switched;
};

static struct {
	grove_trace_fn *fn;
	void *arg;
	struct gr_list asserts, unused;
} trace = { .asserts = { &trace.asserts, &trace.asserts }, .unused = { &trace.unused, &trace.unused } };

/* --- at a switch -------------------------------------------------------------------------------------------------------------------- */

static bool stale(const struct assertion *a)
{
	return a->rec->id != a->id || a->rec->life == GR_ENDED;
}

static void turn_ends(struct assertion *a, gr_time now)
{
	if (now - a->since > a->longest)
		a->longest = now - a->since;
}

static void look_at_asserts(const struct grove_greenlet *from, const struct grove_greenlet *to, gr_time now)
{
	gr_list_each_safe(it, &trace.asserts) {
		struct assertion *a = gr_container(it, struct assertion, link);

		if (stale(a)) {
			gr_list_del(&a->link);
			gr_list_push(&trace.unused, &a->link);
			continue;
		}
		if (a->rec == from) {
			turn_ends(a, now);
			a->switched = true;
		}
		if (a->rec == to)
			a->since = now;
	}
}

/* A thread between two greenlets only seems to wait. */
static bool parks(const struct gr_greenlet *g)
{
	return g->state == GR_PARKED && (g->api || !g->worker);
}

static void tell(const struct gr_greenlet *from, const struct gr_greenlet *to, gr_time now)
{
	struct grove_switch s = {
		.size = sizeof(s), .at = now, .event = to->waits && to->result == -GR_EBROKEN ? GROVE_THROW : GROVE_SWITCH,
		.from = from->api, .from_tid = from->tid, .to = to->api, .to_tid = to->tid,
		.waits = parks(from) ? from->waits : NULL,
	};

	trace.fn(&s, trace.arg);
}

static int on_switch(void);

/* Nobody pays for what nobody wants. */
static void update(void)
{
	struct gr_carrier *c = gr_carrier();

	c->on_switch = trace.fn || !gr_list_empty(&trace.asserts) ? on_switch : c->audit_switch;
}

static int on_switch(void)
{
	const struct gr_carrier *c = gr_carrier();
	const struct gr_greenlet *from = c->current, *to = c->switch_to;
	gr_time now = gr_now();
	int err = errno;

	look_at_asserts(from->api, to->api, now);
	if (trace.fn && from != to)
		tell(from, to, now);
	if (c->audit_switch)
		c->audit_switch();
	update();
	errno = err;
	return 0;
}

/* --- assertions ----------------------------------------------------------------------------------------------------------------------- */

static struct assertion *find(const struct grove_assert *of)
{
	const struct grove_greenlet *rec = gr_carrier()->current->api;

	gr_list_each(it, &trace.asserts) {
		struct assertion *a = gr_container(it, struct assertion, link);

		if (a->of == of && a->rec == rec && !stale(a))
			return a;
	}
	return NULL;
}

static struct assertion *assertion_new(void)
{
	struct assertion *a = NULL;

	gr_enter();
	if (!gr_list_empty(&trace.unused)) {
		a = gr_list_first(&trace.unused, struct assertion, link);
		gr_list_del(&a->link);
	}
	gr_leave_quietly();
	return a ? a : malloc(sizeof(*a));
}

static int begin(const struct grove_assert *of, gr_time max)
{
	struct grove_greenlet *rec;
	struct assertion *a;

	if (!gr_here())
		return gr_fails(ENOTSUP);
	rec = gr_self();
	if (!rec)
		return -1;
	if (!of || max < 0 || find(of))
		return gr_fails(EINVAL);
	a = assertion_new();
	if (!a)
		return -1;
	*a = (struct assertion){ .of = of, .rec = rec, .id = rec->id, .since = gr_now(), .max = max };
	gr_enter();
	gr_list_push(&trace.asserts, &a->link);
	update();
	gr_leave_quietly();
	return 0;
}

int grove_assert_switches(struct grove_assert *a)
{
	return begin(a, GR_NEVER);
}

int grove_assert_no_block(struct grove_assert *a, int64_t max)
{
	return begin(a, max == GR_NEVER ? max - 1 : max);
}

int grove_assert_end(struct grove_assert *of, int64_t *ret_longest)
{
	struct assertion *a;
	int r;

	if (!gr_here() || !gr_carrier()->current->api)
		return gr_fails(ESRCH);
	gr_enter();
	a = find(of);
	if (!a)
		return gr_leave(-ESRCH);
	turn_ends(a, gr_now());
	if (ret_longest)
		*ret_longest = a->longest;
	r = (a->max == GR_NEVER ? a->switched : a->longest <= a->max) ? 0 : -EBUSY;
	gr_list_del(&a->link);
	gr_list_push(&trace.unused, &a->link);
	update();
	return gr_leave(r);
}

/* --- the trace function ----------------------------------------------------------------------------------------------------------------- */

int grove_settrace(grove_trace_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_settrace, fn, arg);
	gr_enter();
	trace.fn = fn;
	trace.arg = arg;
	update();
	return gr_leave(0);
}

grove_trace_fn *grove_gettrace(void **ret_arg)
{
	GR_ANYWHERE((grove_trace_fn *)NULL, grove_gettrace, ret_arg);
	if (ret_arg)
		*ret_arg = trace.arg;
	return trace.fn;
}
