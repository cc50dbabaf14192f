/*
 * blocked.c - "would block forever": who waits for what
 */
#include "info.h"
#include "greenlet.h"
#include <string.h>

const char *gr_info_kind(const void *object)
{
	static const char *const names[] = {
#define NAME(type, name) [type - GR_GREENLET] = name
		NAME(GR_GREENLET, "greenlet"), NAME(GR_FUTURE, "future"), NAME(GR_EVENT, "event"), NAME(GR_SEMAPHORE, "semaphore"),
		NAME(GR_RLOCK, "lock"), NAME(GR_CONDITION, "condition"), NAME(GR_RWLOCK, "rwlock"), NAME(GR_BARRIER, "barrier"),
		NAME(GR_QUEUE, "queue"), NAME(GR_CHANNEL, "channel"), NAME(GR_GROUP, "group"),
		NAME(GR_CHILD, "child"), NAME(GR_SERVER, "server"), NAME(GR_GENERATOR, "generator"), NAME(GR_TASK_GROUP, "task group"),
		NAME(GR_THREADPOOL, "thread pool"), NAME(GR_PREFORK, "prefork"), NAME(GR_PIPELINE, "pipeline"), NAME(GR_IWAIT, "iwait"),
		NAME(GR_IMAP, "imap"),
#undef NAME
	};
	enum gr_type type = gr_is_any(object) ? ((const struct gr_object *)object)->type : GR_TYPES_END;

	return type - GR_GREENLET < GR_LENGTH(names) ? names[type - GR_GREENLET] : NULL;
}

static void put_title(struct gr_line *l, const struct grove_greenlet *rec)
{
	char title[GR_API_NAME];

	gr_line_put(l, gr_greenlet_title(rec, title, sizeof(title)));
}

static void put_object(struct gr_line *l, const struct gr_greenlet *g)
{
	const char *kind = gr_info_kind(g->waits_on);

	if (!kind)
		return;
	if (strcmp(kind, g->waits) != 0) {
		gr_line_put(l, " of ");
		gr_line_put(l, kind);
	}
	gr_line_put(l, " ");
	if (gr_is(g->waits_on, GR_GREENLET))
		put_title(l, g->waits_on);
	else
		gr_line_number(l, (uintptr_t)g->waits_on, 16);
}

static void print(int fd, const struct gr_greenlet *g)
{
	struct gr_line l = { .used = 0 };

	gr_line_put(&l, "grove:   ");
	if (g->api)
		put_title(&l, g->api);
	else
		gr_line_put(&l, g == gr_carrier()->main ? "main" : "thread");
	gr_line_put(&l, g->api ? " (id " : " (tid ");
	gr_line_number(&l, g->api ? g->api->id : (uint64_t)g->tid, 10);
	gr_line_put(&l, ") waits for ");
	gr_line_put(&l, g->waits ? g->waits : "its turn");
	if (g->waits)
		put_object(&l, g);
	gr_line_write(&l, fd);
}

void gr_info_print_blocked(int fd)
{
	struct gr_line head = { .used = 0 };

	gr_line_put(&head, "grove: would block forever; nothing is left that could wake one of these:");
	gr_line_write(&head, fd);
	gr_list_each(it, &gr_carrier()->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		if (g->state == GR_PARKED && !(g->api ? g->api->service : g->worker))
			print(fd, g);
	}
}
