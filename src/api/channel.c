/*
 * channel.c - channels and select
 *
 * Who waits has a meeting to come: one place in a channel's line for a send or receive, several for a select.  Whoever comes to one of
 * these channels and fits keeps the meeting for both: the item goes over, all the places leave their lines, and the other one wakes up.
 */
#include "ring.h"
#include <grove/channel.h>
#include <limits.h>
#include <stdlib.h>

struct grove_channel {
	struct gr_object object;	/* GR_CHANNEL; ready: a receive would not wait */
	bool closed;
	size_t capacity;
	struct gr_ring ring;		/* not empty: no receiver waits; not full: no sender waits */
	struct gr_list lines[2];	/* struct party: by GROVE_RECV, GROVE_SEND */
};

struct party {
	struct gr_place place;		/* in one of the channel's lines; .also: the next of the same meeting */
	struct meeting *meeting;
	struct grove_channel *channel;	/* NULL: in no line */
	void *item;			/* to be sent, or received */
	uint8_t op;
};

struct meeting {
	struct gr_turn turn;		/* its result: the index of the party that met somebody, or whose channel was closed */
	struct party *parties;
	size_t n;
	int error;			/* EPIPE, or 0 */
};

/* --- life -------------------------------------------------------------------------------------------------------------------------- */

grove_channel *grove_channel_new(size_t capacity)
{
	grove_channel *channel = malloc(sizeof(*channel));

	if (!channel)
		return NULL;
	*channel = (grove_channel){ .capacity = capacity };
	gr_object_init(&channel->object, GR_CHANNEL, false);
	gr_list_init(&channel->lines[GROVE_RECV]);
	gr_list_init(&channel->lines[GROVE_SEND]);
	return channel;
}

int grove_channel_free(grove_channel *channel)
{
	if (!channel)
		return 0;
	GR_ANYWHERE(-1, grove_channel_free, channel);
	if (!gr_is(channel, GR_CHANNEL))
		return gr_fails(EINVAL);
	if (!gr_list_empty(&channel->lines[GROVE_RECV]) || !gr_list_empty(&channel->lines[GROVE_SEND]) ||
	    !gr_list_empty(&channel->object.links))
		return gr_fails(EBUSY);
	channel->object.type = 0;
	free(channel->ring.slots);
	free(channel);
	return 0;
}

/* --- meetings ---------------------------------------------------------------------------------------------------------------------- */

/* Inside, after each change. */
static inline void update(struct grove_channel *channel)
{
	gr_object_set_ready(&channel->object, channel->ring.count || channel->closed || !gr_list_empty(&channel->lines[GROVE_SEND]));
}

static struct party *first_party(struct grove_channel *channel, int op)
{
	struct gr_list *line = &channel->lines[op];

	return gr_list_empty(line) ? NULL : gr_list_first(line, struct party, place.link);
}

static inline void leave_line(struct party *p)
{
	gr_list_del(&p->place.link);
	if (p->channel && p->op == GROVE_SEND)
		update(p->channel);
}

/* All places of a meeting leave their lines. */
static inline void leave_lines(struct meeting *m)
{
	for (size_t i = 0; i < m->n; i++)
		leave_line(&m->parties[i]);
}

static inline void stand_in_line(struct party *p)
{
	if (!p->channel)
		return;
	gr_list_push(&p->channel->lines[p->op], &p->place.link);
	if (p->op == GROVE_SEND)
		update(p->channel);
}

/* @p has had its turn. */
static void meet(struct party *p, int error)
{
	struct meeting *m = p->meeting;

	if (GR_LIKELY(m->n == 1))
		leave_line(p);
	else
		leave_lines(m);
	m->error = error;
	gr_give_turn(&m->turn, (int)(p - m->parties));
}

/* Is there room for one item more, if the channel keeps that many?  Nothing is kept while somebody waits for it. */
static bool needs_room(const struct grove_channel *channel)
{
	return channel->ring.count < channel->capacity && !gr_ring_has_room(&channel->ring);
}

/* The three ways in which a send or a receive is done at once.  Inside. */
static bool can_do(struct grove_channel *channel, int op)
{
	if (channel->closed)
		return true;
	if (!gr_list_empty(&channel->lines[!op]))
		return true;
	return op == GROVE_SEND ? channel->ring.count < channel->capacity : channel->ring.count > 0;
}

static int do_send(struct grove_channel *channel, void *item)
{
	struct party *receiver = first_party(channel, GROVE_RECV);

	if (channel->closed)
		return -EPIPE;
	if (receiver) {
		receiver->item = item;
		meet(receiver, 0);
	} else {
		gr_ring_push(&channel->ring, item);
		update(channel);
	}
	return 0;
}

static int do_recv(struct grove_channel *channel, void **ret_item)
{
	struct party *sender = first_party(channel, GROVE_SEND);

	if (channel->ring.count) {
		*ret_item = gr_ring_pop(&channel->ring);
		if (sender && channel->ring.count < channel->capacity) {
			gr_ring_push(&channel->ring, sender->item);
			meet(sender, 0);
		}
		update(channel);
		return 0;
	}
	if (!sender)
		return -EPIPE;
	*ret_item = sender->item;
	meet(sender, 0);
	return 0;
}

/* The greenlet that was handed an item never comes to see it: back with it, in front of all others. */
static void give_back(struct grove_channel *channel, void *item)
{
	for (;;) {
		gr_enter();
		if (!gr_list_empty(&channel->lines[GROVE_RECV])) {
			do_send(channel, item);
			break;
		}
		if (gr_ring_has_room(&channel->ring)) {
			gr_ring_push_front(&channel->ring, item);
			update(channel);
			break;
		}
		gr_leave_quietly();
		if (!gr_ring_grow(&channel->ring))
			return;
	}
	gr_leave_quietly();
}

static void unwound_from_meeting(struct gr_turn *turn)
{
	struct meeting *m = gr_container(turn, struct meeting, turn);

	if (!turn->given) {
		gr_enter();
		leave_lines(m);
		gr_leave_quietly();
	} else if (m->parties[turn->result].op == GROVE_RECV && !m->error) {
		give_back(m->parties[turn->result].channel, m->parties[turn->result].item);
	}
}

/* Inside: stand in all lines until somebody comes.  The index of the party, or as gr_wait_guarded(). */
static inline __attribute__((always_inline)) int wait_for_meeting(struct meeting *m, const char *waits, const void *object, gr_time deadline)
{
	int r;

	if (deadline == GR_AT_ONCE)
		return -EAGAIN;
	for (size_t i = 0; i < m->n; i++)
		stand_in_line(&m->parties[i]);
	m->turn.unwound = unwound_from_meeting;
	m->turn.place.also = &m->parties->place;
	r = gr_wait_guarded(NULL, waits, object, deadline, &m->turn);
	if (!m->turn.given)
		leave_lines(m);
	return r;
}

/* --- one channel ------------------------------------------------------------------------------------------------------------------- */

static int wait_alone(struct grove_channel *channel, int op, void **item, gr_time deadline)
{
	struct party party = { .meeting = NULL, .channel = channel, .op = (uint8_t)op, .item = *item };
	struct meeting m;		/* what nobody reads before it is set is not cleared */
	int r;

	m.parties = &party;
	m.n = 1;
	m.error = 0;
	party.meeting = &m;
	r = wait_for_meeting(&m, op == GROVE_SEND ? "send" : "recv", channel, deadline);
	if (r < 0)
		return r;
	if (m.error)
		return -m.error;
	*item = party.item;
	return 0;
}

/*
 * Both directions in one function that both call last: so whoever wakes up here returns through the same places as the other one who has
 * just gone to sleep, which the processor predicts.
 */
static __attribute__((noinline)) int transfer(struct grove_channel *channel, int op, void *item, void **ret_item, int64_t timeout)
{
	gr_time deadline;
	int r;

	if (!gr_is(channel, GR_CHANNEL) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	while (op == GROVE_SEND && GR_UNLIKELY(needs_room(channel))) {
		gr_leave_quietly();
		if (!gr_ring_grow(&channel->ring))
			return -1;
		gr_enter();
	}
	if (!can_do(channel, op))
		r = wait_alone(channel, op, &item, deadline);
	else
		r = op == GROVE_SEND ? do_send(channel, item) : do_recv(channel, &item);
	if (r == 0 && ret_item)
		*ret_item = item;
	return gr_leave(r);
}

int grove_channel_send(grove_channel *channel, void *item, int64_t timeout)
{
	GR_ANYWHERE(-1, grove_channel_send, channel, item, timeout);
	return transfer(channel, GROVE_SEND, item, NULL, timeout);
}

int grove_channel_recv(grove_channel *channel, void **ret_item, int64_t timeout)
{
	GR_ANYWHERE(-1, grove_channel_recv, channel, ret_item, timeout);
	return transfer(channel, GROVE_RECV, NULL, ret_item, timeout);
}

int grove_channel_close(grove_channel *channel)
{
	struct party *p;

	GR_ANYWHERE(-1, grove_channel_close, channel);
	if (!gr_is(channel, GR_CHANNEL))
		return gr_fails(EINVAL);
	if (channel->closed)
		return gr_fails(EALREADY);
	gr_enter();
	channel->closed = true;
	while ((p = first_party(channel, GROVE_RECV)) || (p = first_party(channel, GROVE_SEND)))
		meet(p, EPIPE);
	update(channel);
	return gr_leave(0);
}

bool grove_channel_closed(const grove_channel *channel)
{
	return gr_is(channel, GR_CHANNEL) && __atomic_load_n(&channel->closed, __ATOMIC_ACQUIRE);
}

size_t grove_channel_size(const grove_channel *channel)
{
	return gr_is(channel, GR_CHANNEL) ? __atomic_load_n(&channel->ring.count, __ATOMIC_ACQUIRE) : 0;
}

size_t grove_channel_capacity(const grove_channel *channel)
{
	return gr_is(channel, GR_CHANNEL) ? channel->capacity : 0;
}

/* --- select ------------------------------------------------------------------------------------------------------------------------ */

#define FEW	8		/* cases for which no memory is asked for */

static uint64_t dice = 0x9e3779b97f4a7c15;

/* 0 to @n - 1; xorshift64* */
static size_t roll(size_t n)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return (size_t)((dice * 0x2545f4914f6cdd1d >> 32) * n >> 32);
}

static bool all_valid(const struct grove_case *cases, size_t n)
{
	if (n > INT_MAX || (n && !cases))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((cases[i].op != GROVE_SEND && cases[i].op != GROVE_RECV) || (cases[i].channel && !gr_is(cases[i].channel, GR_CHANNEL)))
			return false;
	return true;
}

/* The channel of one of the sends that has no room for what it could keep. */
static struct grove_channel *lacks_room(const struct grove_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cases[i].op == GROVE_SEND && cases[i].channel && needs_room(cases[i].channel))
			return cases[i].channel;
	return NULL;
}

/* One of those that can be done now, or -1.  Of k of them each stays chosen with a chance of 1/k. */
static int choose(const struct grove_case *cases, size_t n)
{
	size_t found = 0;
	int chosen = -1;

	for (size_t i = 0; i < n; i++)
		if (cases[i].channel && can_do(cases[i].channel, cases[i].op) && (++found == 1 || roll(found) == 0))
			chosen = (int)i;
	return chosen;
}

static int do_case(struct grove_case *c)
{
	int r;

	if (c->op == GROVE_SEND) {
		r = do_send(c->channel, c->item);
	} else {
		c->item = NULL;
		r = do_recv(c->channel, &c->item);
	}
	return -r;
}

static void prepare(struct meeting *m, const struct grove_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct party *p = &m->parties[i];

		*p = (struct party){ .meeting = m, .channel = cases[i].channel, .item = cases[i].item, .op = (uint8_t)cases[i].op,
				     .place.also = i + 1 < n ? &p[1].place : NULL };
		gr_list_init(&p->place.link);
	}
}

static int select_now(struct grove_case *cases, size_t n)
{
	int chosen = choose(cases, n);

	if (chosen >= 0)
		cases[chosen].error = do_case(&cases[chosen]);
	return chosen;
}

/* @parties: room for @n, and at least one */
static int select_with(struct party *parties, struct grove_case *cases, size_t n, gr_time deadline)
{
	struct meeting m = { .parties = parties, .n = n };
	struct grove_channel *small;
	int r;

	gr_enter();
	while (GR_UNLIKELY((small = lacks_room(cases, n)) != NULL)) {
		gr_leave_quietly();
		if (!gr_ring_grow(&small->ring))
			return -1;
		gr_enter();
	}
	r = select_now(cases, n);
	if (r >= 0)
		return gr_leave(r);
	prepare(&m, cases, n);
	r = wait_for_meeting(&m, "select", cases[0].channel, deadline);
	if (r >= 0) {
		cases[r].error = m.error;
		if (cases[r].op == GROVE_RECV)
			cases[r].item = m.error ? NULL : parties[r].item;
	}
	return gr_leave(r);
}

static void free_parties(struct party **parties)
{
	free(*parties);
}

static int select_many(struct grove_case *cases, size_t n, gr_time deadline)
{
	struct party *parties __attribute__((cleanup(free_parties))) = calloc(n, sizeof(*parties));

	return parties ? select_with(parties, cases, n, deadline) : -1;
}

static int select_few(struct grove_case *cases, size_t n, gr_time deadline)
{
	struct party parties[FEW];

	return select_with(parties, cases, n, deadline);
}

int grove_select(struct grove_case *cases, size_t n, int64_t timeout)
{
	static struct grove_case never;
	gr_time deadline;

	GR_ANYWHERE(-1, grove_select, cases, n, timeout);
	if (!all_valid(cases, n) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (n == 0)
		return select_few(&never, 1, deadline);
	return n <= FEW ? select_few(cases, n, deadline) : select_many(cases, n, deadline);
}
