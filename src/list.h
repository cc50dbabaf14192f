/*
 * list.h - doubly linked rings: a head and its members are the same struct, and a member knows how to leave
 *
 * An unlinked member points at itself, so gr_list_del() of one is harmless and gr_list_empty() of one is true.
 */
#ifndef GR_LIST_H
#define GR_LIST_H

#include "base.h"

struct gr_list {
	struct gr_list *next, *prev;
};

static inline void gr_list_init(struct gr_list *l)
{
	l->next = l->prev = l;
}

static inline bool gr_list_empty(const struct gr_list *l)
{
	return l->next == l;
}

static inline void gr_list_add_before(struct gr_list *at, struct gr_list *l)
{
	l->prev = at->prev;
	l->next = at;
	at->prev->next = l;
	at->prev = l;
}

/* to the end of the ring whose head is @head */
static inline void gr_list_push(struct gr_list *head, struct gr_list *l)
{
	gr_list_add_before(head, l);
}

static inline void gr_list_push_front(struct gr_list *head, struct gr_list *l)
{
	gr_list_add_before(head->next, l);
}

static inline void gr_list_del(struct gr_list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	gr_list_init(l);
}

/* all members of @from, in order, to the end of @to */
static inline void gr_list_splice(struct gr_list *to, struct gr_list *from)
{
	if (gr_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	gr_list_init(from);
}

#define gr_list_first(head, type, member) gr_container((head)->next, type, member)

#define gr_list_each(it, head) for (struct gr_list *it = (head)->next; it != (head); it = it->next)

/* the body may unlink @it */
#define gr_list_each_safe(it, head) \
	for (struct gr_list *it = (head)->next, *it##_n = it->next; it != (head); it = it##_n, it##_n = it->next)

#endif
