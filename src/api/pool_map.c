/*
 * pool_map.c - the same function for many arguments: map, and the iterators imap and imap_unordered
 *
 * Each item is a greenlet in the pool, watched by a link.  Items use the caller's arguments, so nobody returns before the last
 * has ended; what does the waiting is a cleanup, since the caller may as well be unwound.
 */
#include "future.h"
#include "greenlet.h"
#include "group.h"
#include <grove/pool.h>
#include <stdlib.h>

#define AHEAD_OF_GROUPS	64

/* Kill one of somebody's greenlets, which may end and be forgotten meanwhile. */
static void kill_item(struct grove_greenlet *g)
{
	g->refs++;
	grove_kill(g, 0);
	grove_release(g);
}

/* --- map -------------------------------------------------------------------------------------------------------------------- */

struct map {
	grove_pool *pool;
	struct gr_turn turn;
	bool waiting;			/* .turn is the caller's, until there is news */
	bool ending;			/* errors are no news any more */
	size_t alive;
	int error;			/* the first; nothing is begun any more */
	void **ret_values;
	size_t n;			/* items begun */
	struct map_item *items;
};

struct map_item {
	struct gr_link link;
	struct map *map;
	struct grove_greenlet *g;	/* while it is alive */
	size_t index;
};

static void item_ended(struct gr_link *link, struct gr_object *object)
{
	struct map_item *item = gr_container(link, struct map_item, link);
	struct map *m = item->map;
	struct grove_greenlet *g = (struct grove_greenlet *)object;

	item->g = NULL;
	m->alive--;
	if (!m->error)
		m->error = g->error;
	if (m->ret_values && !g->error)
		m->ret_values[item->index] = g->value;
	if (m->waiting && (!m->alive || (m->error && !m->ending))) {
		m->waiting = false;
		gr_give_turn(&m->turn, 0);
	}
}

/* Inside: wait until all items have ended, or one with an error. */
static int wait_for_items(struct map *m, gr_time deadline)
{
	int r;

	if (!m->alive || m->error)
		return 0;
	m->waiting = true;
	r = gr_wait_alone("pool map", m->pool, deadline, &m->turn);
	m->waiting = false;
	return r;
}

/* Kill what is under way, and wait for its end. */
static void end_map(struct map *m)
{
	int was = errno;

	m->ending = true;
	m->waiting = false;
	for (size_t i = 0; i < m->n && m->alive; i++)
		if (m->items[i].g)
			kill_item(m->items[i].g);
	gr_enter();
	while (m->alive) {
		m->waiting = true;
		gr_wait_shielded("pool map", m->pool, &m->turn);
	}
	gr_leave_quietly();
	free(m->items);
	errno = was;
}

static int begin_item(struct map *m, grove_fn *fn, void *arg, gr_time deadline)
{
	struct map_item *item = &m->items[m->n];
	struct grove_greenlet *g = gr_group_spawn(m->pool, fn, arg, deadline);

	if (!g)
		return -1;
	*item = (struct map_item){ .link.fire = item_ended, .map = m, .g = g, .index = m->n };
	gr_list_init(&item->link.link);
	gr_enter();
	m->n++;
	m->alive++;
	if (g->object.ready)
		item_ended(&item->link, &g->object);
	else
		gr_list_push(&g->object.links, &item->link.link);
	gr_leave_quietly();
	grove_release(g);
	return 0;
}

static int map(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, void **ret_values, gr_time deadline)
{
	struct map m __attribute__((cleanup(end_map))) = { .pool = pool, .ret_values = ret_values };
	int r;

	m.items = calloc(n ? n : 1, sizeof(*m.items));
	if (!m.items)
		return -1;
	for (size_t i = 0; i < n && !m.error; i++)
		if (begin_item(&m, fn, args[i], deadline) < 0)
			return m.error ? gr_fails(m.error) : -1;
	gr_enter();
	r = wait_for_items(&m, deadline);
	return gr_leave(m.error ? -m.error : r);
}

int grove_pool_map(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, void **ret_values, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_pool_map, pool, fn, args, n, ret_values, timeout);
	if (!gr_is_group(pool) || !fn || (n && !args) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	return map(pool, fn, args, n, ret_values, deadline);
}

/* Freed when its greenlet has ended, which may be before it began. */
struct map_call {
	struct gr_link link;
	struct gr_soon gone;
	grove_pool *pool;
	grove_fn *fn;
	void *const *args;
	size_t n;
	void **ret_values;
};

static void free_call(struct gr_soon *job)
{
	free(gr_container(job, struct map_call, gone));
}

static void call_ended(struct gr_link *link, struct gr_object *object)
{
	(void)object;
	gr_soon(&gr_container(link, struct map_call, link)->gone);
}

static void *run_map(void *arg)
{
	struct map_call *c = arg;

	return map(c->pool, c->fn, c->args, c->n, c->ret_values, GR_NEVER) < 0 ? grove_fail(errno) : c->ret_values;
}

grove_greenlet *grove_pool_map_async(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, void **ret_values)
{
	struct map_call *c;
	grove_greenlet *g;

	GR_ANYWHERE((grove_greenlet *)NULL, grove_pool_map_async, pool, fn, args, n, ret_values);
	if (!gr_is_group(pool) || !fn || (n && !args))
		return gr_fails_null(EINVAL);
	c = malloc(sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct map_call){ .link.fire = call_ended, .gone.fn = free_call, .pool = pool, .fn = fn, .args = args, .n = n,
				.ret_values = ret_values };
	g = grove_spawn(run_map, c);
	if (!g) {
		free(c);
		return NULL;
	}
	gr_enter();
	gr_list_push(&g->object.links, &c->link.link);
	gr_leave_quietly();
	return g;
}

/* --- imap ------------------------------------------------------------------------------------------------------------------- */

/*
 * A slot's way: free --feeder takes it--> under way --its greenlet ends--> done --fetched--> free.
 * Those of an ordered iterator stand in .line from their beginning, those of an unordered one from their end: the first in line
 * is next.
 */
struct slot {
	struct gr_list in;		/* it->unused or it->line */
	struct gr_link link;
	struct grove_imap *it;
	struct grove_greenlet *g;	/* while under way */
	void *value;
	int error;
	bool done;
};

struct grove_imap {
	struct gr_object object;	/* GR_IMAP; ready: a result can be fetched, or there will be none */
	grove_pool *pool;
	grove_fn *fn;
	grove_source_fn *source;
	void *state;
	void *const *args;		/* what array_source() goes through */
	size_t n, next;
	bool unordered;
	bool fed;			/* the feeder has begun all there is */
	size_t alive;			/* slots under way */
	struct grove_greenlet *feeder;	/* begins items as slots become free; the source runs in it */
	struct gr_turn feeder_turn, end_turn;
	bool feeder_waits, end_waits;
	struct gr_list unused, line;
	struct gr_list takers;		/* gr_turn: value: the slot that is theirs, NULL at the end */
	size_t ahead;
	struct slot slots[];
};

static bool array_source(void *state, void **ret_arg)
{
	struct grove_imap *it = state;

	if (it->next == it->n)
		return false;
	*ret_arg = it->args[it->next++];
	return true;
}

static struct slot *first_done(struct grove_imap *it)
{
	struct slot *s;

	if (gr_list_empty(&it->line))
		return NULL;
	s = gr_list_first(&it->line, struct slot, in);
	return s->done ? s : NULL;
}

static bool at_end(const struct grove_imap *it)
{
	return it->fed && gr_list_empty(&it->line) && !it->alive;
}

/* Something has changed: hand out what there is, to those who wait, in their order. */
static void hand_out(struct grove_imap *it)
{
	struct slot *s;

	while (!gr_list_empty(&it->takers) && (s = first_done(it))) {
		struct gr_turn *t = gr_first_turn(&it->takers);

		gr_list_del(&s->in);
		t->value = s;
		gr_give_turn(t, 0);
	}
	if (at_end(it))
		gr_give_all(&it->takers, 0);
	gr_object_set_ready(&it->object, first_done(it) || at_end(it));
	if (it->end_waits && !it->alive) {
		it->end_waits = false;
		gr_give_turn(&it->end_turn, 0);
	}
}

static void slot_done(struct slot *s, void *value, int error)
{
	struct grove_imap *it = s->it;

	s->done = true;
	s->value = value;
	s->error = error;
	if (it->unordered)
		gr_list_push(&it->line, &s->in);
	hand_out(it);
}

static void slot_ended(struct gr_link *link, struct gr_object *object)
{
	struct slot *s = gr_container(link, struct slot, link);
	struct grove_greenlet *g = (struct grove_greenlet *)object;

	s->g = NULL;
	s->it->alive--;
	slot_done(s, g->value, g->error);
}

static void free_slot(struct slot *s)
{
	struct grove_imap *it = s->it;

	s->done = false;
	gr_list_push(&it->unused, &s->in);
	if (!it->feeder_waits)
		return;
	it->feeder_waits = false;
	gr_give_turn(&it->feeder_turn, 0);
}

/* --- the feeder */

/* Inside.  NULL: it was killed. */
static struct slot *wait_for_slot(struct grove_imap *it)
{
	struct slot *s;

	while (gr_list_empty(&it->unused)) {
		it->feeder_waits = true;
		if (gr_wait_alone("imap", it, GR_NEVER, &it->feeder_turn) < 0) {
			it->feeder_waits = false;
			return NULL;
		}
	}
	s = gr_list_first(&it->unused, struct slot, in);
	gr_list_del(&s->in);
	return s;
}

/* Inside: @g, or the error with which there is none */
static void fill(struct slot *s, struct grove_greenlet *g, int error)
{
	struct grove_imap *it = s->it;

	if (!it->unordered)
		gr_list_push(&it->line, &s->in);
	if (!g) {
		slot_done(s, NULL, error);
		return;
	}
	s->g = g;
	it->alive++;
	if (g->object.ready)
		slot_ended(&s->link, &g->object);
	else
		gr_list_push(&g->object.links, &s->link.link);
}

/* The source's next argument becomes an item.  False: there are no more, or we were killed. */
static bool feed(struct grove_imap *it)
{
	struct grove_greenlet *g;
	struct slot *s;
	void *arg;

	gr_enter();
	s = wait_for_slot(it);
	gr_leave_quietly();
	if (!s)
		return false;
	if (!it->source(it->state, &arg)) {
		gr_enter();
		free_slot(s);
		gr_leave_quietly();
		return false;
	}
	g = gr_group_spawn(it->pool, it->fn, arg, GR_NEVER);
	gr_enter();
	fill(s, g, errno);
	gr_leave_quietly();
	grove_release(g);
	return g || !it->feeder->g->killed;
}

static void feeder_ends(struct grove_imap **it)
{
	gr_enter();
	(*it)->fed = true;
	hand_out(*it);
	gr_leave_quietly();
}

static void *run_feeder(void *arg)
{
	struct grove_imap *it __attribute__((cleanup(feeder_ends))) = arg;

	while (feed(it))
		;
	return NULL;
}

/* --- the iterator */

static size_t usual_ahead(const grove_pool *pool)
{
	return pool->bound == GR_UNBOUNDED ? AHEAD_OF_GROUPS : pool->bound;
}

static void init_slots(struct grove_imap *it)
{
	gr_list_init(&it->unused);
	gr_list_init(&it->line);
	gr_list_init(&it->takers);
	for (size_t i = 0; i < it->ahead; i++) {
		struct slot *s = &it->slots[i];

		*s = (struct slot){ .link.fire = slot_ended, .it = it };
		gr_list_init(&s->link.link);
		gr_list_push(&it->unused, &s->in);
	}
}

/* NULL: errno says why.  start() follows. */
static struct grove_imap *imap_new(grove_pool *pool, grove_fn *fn, size_t ahead, unsigned flags)
{
	struct grove_imap *it;

	if (!gr_is_group(pool) || !fn || (flags & ~GROVE_UNORDERED))
		return gr_fails_null(EINVAL);
	if (!ahead)
		ahead = usual_ahead(pool);
	if (ahead > (SIZE_MAX - sizeof(*it)) / sizeof(struct slot))
		return gr_fails_null(ENOMEM);
	it = malloc(sizeof(*it) + ahead * sizeof(struct slot));
	if (!it)
		return NULL;
	*it = (struct grove_imap){ .pool = pool, .fn = fn, .ahead = ahead, .unordered = flags & GROVE_UNORDERED };
	gr_object_init(&it->object, GR_IMAP, false);
	init_slots(it);
	return it;
}

static struct grove_imap *start(struct grove_imap *it)
{
	it->feeder = grove_spawn(run_feeder, it);
	if (it->feeder)
		return it;
	it->object.type = 0;
	free(it);
	return NULL;
}

static struct grove_imap *imap_array(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, size_t ahead, unsigned flags)
{
	struct grove_imap *it;

	if (n && !args)
		return gr_fails_null(EINVAL);
	it = imap_new(pool, fn, ahead, flags);
	if (!it)
		return NULL;
	it->args = args;
	it->n = n;
	it->source = array_source;
	it->state = it;
	return start(it);
}

grove_imap *grove_pool_imap(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, size_t ahead)
{
	GR_ANYWHERE((grove_imap *)NULL, grove_pool_imap, pool, fn, args, n, ahead);
	return imap_array(pool, fn, args, n, ahead, 0);
}

grove_imap *grove_pool_imap_unordered(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, size_t ahead)
{
	GR_ANYWHERE((grove_imap *)NULL, grove_pool_imap_unordered, pool, fn, args, n, ahead);
	return imap_array(pool, fn, args, n, ahead, GROVE_UNORDERED);
}

grove_imap *grove_pool_imap_from(grove_pool *pool, grove_fn *fn, grove_source_fn *source, void *state, size_t ahead,
				 unsigned flags)
{
	struct grove_imap *it;

	GR_ANYWHERE((grove_imap *)NULL, grove_pool_imap_from, pool, fn, source, state, ahead, flags);
	if (!source)
		return gr_fails_null(EINVAL);
	it = imap_new(pool, fn, ahead, flags);
	if (!it)
		return NULL;
	it->source = source;
	it->state = state;
	return start(it);
}

/* A result that was given to a greenlet which is unwound meanwhile goes to the next. */
struct taking {
	struct grove_imap *it;
	struct gr_turn turn;
	bool taken;
};

static void put_back(struct taking *t)
{
	struct slot *s = t->turn.value;

	if (t->taken || !t->turn.given || !s)
		return;
	gr_enter();
	gr_list_push_front(&t->it->line, &s->in);
	hand_out(t->it);
	gr_leave_quietly();
}

/* Inside.  1 and the slot; 0: the end; or negative */
static int take(struct grove_imap *it, gr_time deadline, struct slot **ret_slot)
{
	struct taking t __attribute__((cleanup(put_back))) = { .it = it };
	struct slot *s = gr_list_empty(&it->takers) ? first_done(it) : NULL;
	int r;

	if (s) {
		gr_list_del(&s->in);
	} else {
		if (at_end(it))
			return 0;
		r = gr_wait_turn(&it->takers, "imap", it, deadline, &t.turn);
		t.taken = true;
		s = t.turn.value;
		if (r < 0 || !s)
			return r;
	}
	*ret_slot = s;
	return 1;
}

int grove_imap_next(grove_imap *it, void **ret_value, int *ret_error, int64_t timeout)
{
	gr_time deadline;
	struct slot *s = NULL;
	void *value = NULL;
	int r, error = 0;

	GR_ANYWHERE(-1, grove_imap_next, it, ret_value, ret_error, timeout);
	if (!gr_is(it, GR_IMAP) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	r = take(it, deadline, &s);
	if (r == 1) {
		value = s->value;
		error = s->error;
		free_slot(s);
		hand_out(it);
	}
	if (gr_leave(r) != 1)
		return r < 0 ? -1 : 0;
	if (ret_value)
		*ret_value = value;
	if (ret_error)
		*ret_error = error;
	return error && !ret_error ? gr_fails(error) : 1;
}

/* Nobody uses the caller's memory any more when this returns. */
static void end_items(struct grove_imap *it)
{
	struct gr_scope shield GR_SHIELD;

	gr_enter();
	gr_scope_enter(&shield);
	gr_leave_quietly();
	grove_kill(it->feeder, GROVE_FOREVER);
	for (size_t i = 0; i < it->ahead; i++) {
		struct slot *s = &it->slots[i];

		if (s->g && s->g->object.ready) {	/* in a forked child */
			s->g = NULL;
			it->alive--;
		} else if (s->g) {
			kill_item(s->g);
		}
	}
	gr_enter();
	while (it->alive) {
		it->end_waits = true;
		gr_wait_shielded("imap", it, &it->end_turn);
	}
	gr_leave_quietly();
}

int grove_imap_free(grove_imap *it)
{
	GR_ANYWHERE(-1, grove_imap_free, it);
	if (!it)
		return 0;
	if (!gr_is(it, GR_IMAP))
		return gr_fails(EINVAL);
	if (!gr_list_empty(&it->takers) || !gr_list_empty(&it->object.links))
		return gr_fails(EBUSY);
	end_items(it);
	it->object.type = 0;
	grove_release(it->feeder);
	free(it);
	return 0;
}
