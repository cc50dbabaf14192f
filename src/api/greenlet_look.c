/*
 * greenlet_look.c - what is asked about a greenlet: how it stands, what came of it, its name and number
 */
#include "greenlet.h"
#include <stdio.h>
#include <string.h>

void *grove_value(const grove_greenlet *g)
{
	return gr_is(g, GR_GREENLET) ? g->value : NULL;
}

int grove_error(const grove_greenlet *g)
{
	return gr_is(g, GR_GREENLET) && g->life >= GR_ENDING ? g->error : 0;
}

bool grove_ready(const grove_greenlet *g)
{
	return gr_is(g, GR_GREENLET) && g->life == GR_ENDED;
}

bool grove_successful(const grove_greenlet *g)
{
	return grove_ready(g) && !g->error;
}

bool grove_started(const grove_greenlet *g)
{
	return gr_is(g, GR_GREENLET) && (g->life == GR_STARTED || g->life == GR_ENDING);
}

bool grove_dead(const grove_greenlet *g)
{
	return !gr_is(g, GR_GREENLET) || g->life == GR_ENDED;
}

int grove_set_name(grove_greenlet *g, const char *name)
{
	GR_ANYWHERE(-1, grove_set_name, g, name);
	if (!gr_is(g, GR_GREENLET) || !name)
		return gr_fails(EINVAL);
	snprintf(g->name, sizeof(g->name), "%s", name);
	return 0;
}

const char *gr_greenlet_title(const struct grove_greenlet *rec, char *buf, size_t size)
{
	static const char prefix[] = "greenlet-";
	char digits[24];
	size_t n = sizeof(digits), at = 0;
	uint64_t id = rec->id;

	if (rec->name[0])
		return rec->name;
	if (rec->g && rec->g == gr_carrier()->main)
		return "main";
	digits[--n] = '\0';
	do
		digits[--n] = (char)('0' + id % 10);
	while (id /= 10);
	for (const char *p = prefix; *p && at + 1 < size; p++)
		buf[at++] = *p;
	for (const char *p = digits + n; *p && at + 1 < size; p++)
		buf[at++] = *p;
	buf[at] = '\0';
	return buf;
}

const char *grove_name(const grove_greenlet *g)
{
	struct grove_greenlet *rec = (struct grove_greenlet *)(uintptr_t)g;

	if (!gr_is(g, GR_GREENLET))
		return gr_fails_null(EINVAL);
	if (!rec->name[0]) {
		char buf[GR_API_NAME];
		const char *title = gr_greenlet_title(rec, buf, sizeof(buf));

		memcpy(rec->name, title, strlen(title) + 1);
	}
	return rec->name;
}

uint64_t grove_id(const grove_greenlet *g)
{
	return gr_is(g, GR_GREENLET) ? g->id : 0;
}

uint64_t grove_parent_id(const grove_greenlet *g)
{
	return gr_is(g, GR_GREENLET) ? g->parent : 0;
}
