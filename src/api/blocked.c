/*
 * blocked.c - "would block forever": who waits for what
 */
#include "info.h"
#include "greenlet.h"
#include "../raw.h"
#include <string.h>

struct line {
	char text[160];
	size_t n;
};

static void add(struct line *l, const char *s)
{
	while (*s && l->n < sizeof(l->text) - 1)
		l->text[l->n++] = *s++;
}

static void add_number(struct line *l, uint64_t v, unsigned base)
{
	char digits[24];
	size_t n = sizeof(digits);

	digits[--n] = '\0';
	do
		digits[--n] = "0123456789abcdef"[v % base];
	while (v /= base);
	add(l, digits + n);
}

static void print(int fd, struct line *l)
{
	add(l, "\n");
	raw(SYS_write, fd, l->text, l->n);
}

static const char *kind(const void *object)
{
	static const char *const names[] = {
		[0] = "greenlet", "future", "event", "semaphore", "lock", "condition", "rwlock", "barrier", "queue", "channel", "group",
		"pool", "job", "child", "server", "generator", "task group", "thread pool", "prefork", "pipeline", "iwait",
	};

	return gr_is_any(object) ? names[((const struct gr_object *)object)->type - GR_GREENLET] : NULL;
}

static void describe(struct line *l, const struct gr_greenlet *g)
{
	char title[GR_API_NAME];
	const struct grove_greenlet *other;

	add(l, "grove:   ");
	add(l, g->api ? gr_greenlet_title(g->api, title, sizeof(title)) : g == gr_carrier()->main ? "main" : "thread");
	add(l, " (tid ");
	add_number(l, (uint64_t)g->tid, 10);
	add(l, ") waits for ");
	add(l, g->waits ? g->waits : "its turn");
	if (!g->waits_on)
		return;
	if (kind(g->waits_on) && strcmp(kind(g->waits_on), g->waits) != 0) {
		add(l, " of ");
		add(l, kind(g->waits_on));
	}
	other = gr_is(g->waits_on, GR_GREENLET) ? g->waits_on : NULL;
	add(l, " ");
	if (other) {
		add(l, gr_greenlet_title(other, title, sizeof(title)));
		return;
	}
	add(l, "0x");
	add_number(l, (uintptr_t)g->waits_on, 16);
}

void gr_info_print_blocked(int fd)
{
	struct line head = { .n = 0 };

	add(&head, "grove: would block forever; nothing is left that could wake one of these:");
	print(fd, &head);
	gr_list_each(it, &gr_carrier()->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);
		struct line l = { .n = 0 };

		if (g->state != GR_PARKED || (g->api && g->api->service) || (g->waits && !strcmp(g->waits, "idle") && !g->api))
			continue;
		describe(&l, g);
		print(fd, &l);
	}
}
