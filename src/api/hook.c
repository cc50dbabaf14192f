/*
 * hook.c - callbacks for every greenlet of the process
 */
#include "hook.h"
#include <stdlib.h>

struct gr_hook {
	struct gr_hook *next;
	grove_hook_fn *fn;		/* NULL: removed while the list was gone through */
	void *arg;
};

struct gr_hooks gr_spawn_hooks, gr_end_hooks;

static void sweep(struct gr_hook **link)
{
	for (struct gr_hook *h; (h = *link);) {
		if (h->fn) {
			link = &h->next;
			continue;
		}
		*link = h->next;
		free(h);
	}
}

void gr_hooks_run(struct gr_hooks *hooks, struct grove_greenlet *rec)
{
	hooks->running++;
	for (struct gr_hook *h = hooks->first; h; h = h->next)
		if (h->fn)
			h->fn(rec, h->arg);
	if (--hooks->running == 0)
		sweep(&hooks->first);
}

static int add(struct gr_hooks *hooks, grove_hook_fn *fn, void *arg)
{
	struct gr_hook **link = &hooks->first, *h;

	if (!fn)
		return gr_fails(EINVAL);
	h = malloc(sizeof(*h));
	if (!h)
		return -1;
	*h = (struct gr_hook){ .fn = fn, .arg = arg };
	while (*link)
		link = &(*link)->next;
	*link = h;
	return 0;
}

static int take_out(struct gr_hooks *hooks, grove_hook_fn *fn, void *arg)
{
	for (struct gr_hook *h = fn ? hooks->first : NULL; h; h = h->next)
		if (h->fn == fn && h->arg == arg) {
			h->fn = NULL;
			if (!hooks->running)
				sweep(&hooks->first);
			return 0;
		}
	return gr_fails(ESRCH);
}

int grove_add_spawn_callback(grove_hook_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_add_spawn_callback, fn, arg);
	return add(&gr_spawn_hooks, fn, arg);
}

int grove_remove_spawn_callback(grove_hook_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_remove_spawn_callback, fn, arg);
	return take_out(&gr_spawn_hooks, fn, arg);
}

int grove_add_end_callback(grove_hook_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_add_end_callback, fn, arg);
	return add(&gr_end_hooks, fn, arg);
}

int grove_remove_end_callback(grove_hook_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_remove_end_callback, fn, arg);
	return take_out(&gr_end_hooks, fn, arg);
}
