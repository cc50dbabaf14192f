/*
 * info.c - grove/info.h: a picture of all greenlets taken at one moment, and their C stacks
 *
 * A parked greenlet's stack is walked from outside, by gr_walk_from(): the unwinder is told that its caller is the frame in which the
 * greenlet left off.  That needs a way to find unwind tables that takes no lock, since the greenlet that holds it may be a parked one.
 */
#include "info.h"
#include "greenlet.h"
#include "../arch/x86_64/arch.h"
#include "../clock.h"
#include "../stack.h"
#include <dlfcn.h>
#include <grove/info.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#define DEPTH		64		/* of a stack */
#define INDENT_MAX	24		/* levels that are shown as such: generations of spawning may be many */
#define NOBODY		SIZE_MAX

/* glibc 2.35 and later; libgcc then finds its tables through it */
extern const char find_tables[] __asm__("_dl_find_object") __attribute__((weak));

/* --- stacks ------------------------------------------------------------------------------------------------------------------------- */

struct walk {
	void **at;
	int n, room;
	bool begun;			/* the frames before are those of who looks */
};

static _Unwind_Reason_Code frame(struct _Unwind_Context *context, void *arg)
{
	struct walk *w = arg;
	uintptr_t pc = _Unwind_GetIP(context);

	if (!w->begun) {
		w->begun = pc == (uintptr_t)gr_walk_begins;
		return _URC_NO_REASON;
	}
	if (!pc || w->n == w->room)
		return _URC_END_OF_STACK;
	w->at[w->n++] = (void *)pc;
	return _URC_NO_REASON;
}

static void unwind(void *arg)
{
	_Unwind_Backtrace(frame, arg);
}

int gr_info_walk(const struct gr_greenlet *g, void **ret_addresses, int room)
{
	struct walk w = { .at = ret_addresses, .room = room };
	const struct grove_generator *gen = g->generator;

	if (!find_tables)
		return 0;
	if (g == gr_carrier()->current) {
		w.begun = true;
		unwind(&w);
	} else {
		gr_walk_from(g->sp, unwind, &w);
	}
	while (gen) {			/* we are in its body, and the stack went as far as that */
		const void *sp = gr_generator_consumer(gen, &gen);

		w.begun = false;
		gr_walk_from(sp, unwind, &w);
	}
	return w.n;
}

/* Before it starts its thread has one, where it waits for work. */
static bool has_stack(const struct grove_greenlet *rec)
{
	return rec->g && (rec->life == GR_STARTED || rec->life == GR_ENDING);
}

int grove_stack(const grove_greenlet *g, void **ret_addresses, int n)
{
	int depth;

	GR_ANYWHERE(-1, grove_stack, g, ret_addresses, n);
	if (!gr_is(g, GR_GREENLET) || n < 0 || (n && !ret_addresses))
		return gr_fails(EINVAL);
	gr_enter();
	depth = has_stack(g) ? gr_info_walk(g->g, ret_addresses, n) : 0;
	return gr_leave(depth);
}

/* --- a picture ------------------------------------------------------------------------------------------------------------------------ */

struct item {
	struct grove_info info;
	char name[GR_API_NAME];
	size_t parent, child, last_child, next;		/* in the tree: indexes, or NOBODY */
};

struct picture {
	struct item *items;
	void **stacks;			/* DEPTH for each, or NULL */
	size_t n, room;
	unsigned flags;
};

static bool is_pthread(const struct gr_greenlet *g)
{
	return !g->api && !g->worker;
}

static bool is_shown(const struct grove_greenlet *rec, unsigned flags)
{
	return rec->life != GR_ENDED && (!rec->service || (flags & GROVE_SERVICES));
}

static size_t count(unsigned flags)
{
	size_t n = 0;

	gr_list_each(it, &gr_greenlets)
		n += is_shown(gr_container(it, struct grove_greenlet, all), flags);
	gr_list_each(it, &gr_carrier()->all)
		n += is_pthread(gr_container(it, struct gr_greenlet, all));
	return n;
}

static enum grove_state state_of(const struct gr_greenlet *g)
{
	if (g == gr_carrier()->current)
		return GROVE_STATE_RUNNING;
	return g->state == GR_PARKED ? GROVE_STATE_PARKED : GROVE_STATE_READY;
}

static void add_thread(struct picture *p, struct item *item, const struct gr_greenlet *g)
{
	struct grove_info *info = &item->info;
	struct gr_stack stack;

	info->tid = g->tid;
	info->state = state_of(g);
	if (info->state == GROVE_STATE_PARKED) {
		info->waits = g->waits;
		info->waits_on_kind = gr_info_kind(g->waits_on);
		info->waits_on = info->waits_on_kind ? g->waits_on : NULL;
		info->since = g->parked_at;
	}
	if (gr_stack_at((void *)g->fs, &stack))
		info->stack_size = stack.size;
	if (p->stacks && (!g->api || has_stack(g->api))) {
		void **at = p->stacks + p->n * DEPTH;

		info->stack = at;
		info->depth = gr_info_walk(g, at, DEPTH);
	}
}

static void add(struct picture *p, struct grove_greenlet *rec, const struct gr_greenlet *g)
{
	struct item *item = &p->items[p->n];

	*item = (struct item){ .info = { .size = sizeof(item->info) } };
	if (rec) {
		const char *title = gr_greenlet_title(rec, item->name, sizeof(item->name));

		if (title != item->name)
			memcpy(item->name, title, strlen(title) + 1);
		rec->refs++;
		item->info.greenlet = rec;
		item->info.id = rec->id;
		item->info.parent = rec->parent;
		item->info.service = rec->service;
		item->info.stack_size = rec->stack_size;
		item->info.state = rec->life == GR_DELAYED ? GROVE_STATE_DELAYED : GROVE_STATE_READY;
	} else {
		memcpy(item->name, g->name, sizeof(g->name));
	}
	item->info.name = item->name;
	if (g == gr_carrier()->main)
		item->info.stack_size = 0;
	if (g)
		add_thread(p, item, g);
	p->n++;
}

/* Records in the order in which they were made, so by id; then pthreads that have none. */
static void fill(struct picture *p)
{
	gr_list_each(it, &gr_greenlets) {
		struct grove_greenlet *rec = gr_container(it, struct grove_greenlet, all);

		if (is_shown(rec, p->flags))
			add(p, rec, rec->g);
	}
	gr_list_each(it, &gr_carrier()->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		if (is_pthread(g))
			add(p, NULL, g);
	}
}

static void drop(struct picture *p)
{
	for (size_t i = 0; i < p->n; i++)
		grove_release(p->items[i].info.greenlet);
	free(p->items);
	free(p->stacks);
}

/* Outside: others may come while memory is being asked for.  0, or an errno value. */
static int take(struct picture *p, unsigned flags)
{
	*p = (struct picture){ .flags = flags };
	for (;;) {
		gr_enter();
		if (p->items && count(flags) <= p->room) {
			fill(p);
			gr_leave_quietly();
			return 0;
		}
		p->room = count(flags) + 1;
		gr_leave_quietly();
		drop(p);
		p->items = malloc(p->room * sizeof(*p->items));
		p->stacks = flags & GROVE_STACKS ? malloc(p->room * DEPTH * sizeof(*p->stacks)) : NULL;
		if (!p->items || ((flags & GROVE_STACKS) && !p->stacks)) {
			drop(p);
			return ENOMEM;
		}
	}
}

int grove_each(unsigned flags, grove_each_fn *fn, void *arg)
{
	struct picture p;
	int r = 0, err;

	GR_ANYWHERE(-1, grove_each, flags, fn, arg);
	if (!fn || (flags & ~(GROVE_STACKS | GROVE_SERVICES)))
		return gr_fails(EINVAL);
	err = take(&p, flags);
	if (err)
		return gr_fails(err);
	for (size_t i = 0; i < p.n && r == 0; i++)
		r = fn(&p.items[i].info, arg);
	err = errno;
	drop(&p);
	errno = err;
	return r;
}

/* --- the tree --------------------------------------------------------------------------------------------------------------------------- */

static size_t by_id(const struct picture *p, uint64_t id)
{
	size_t lo = 0, hi = p->n;

	while (hi > 0 && p->items[hi - 1].info.id == 0)
		hi--;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (p->items[mid].info.id == id)
			return mid;
		if (p->items[mid].info.id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NOBODY;
}

/* Children hang on their parents, in order; the others are on a level with the first.  That one is the root. */
static void grow(struct picture *p)
{
	size_t last_root = NOBODY;

	for (size_t i = 0; i < p->n; i++)
		p->items[i].parent = p->items[i].child = p->items[i].last_child = p->items[i].next = NOBODY;
	for (size_t i = 0; i < p->n; i++) {
		size_t parent = p->items[i].info.parent ? by_id(p, p->items[i].info.parent) : NOBODY;
		size_t *last = parent == NOBODY ? &last_root : &p->items[parent].last_child;

		p->items[i].parent = parent;
		if (*last != NOBODY)
			p->items[*last].next = i;
		else if (parent != NOBODY)
			p->items[parent].child = i;
		*last = i;
	}
}

/* What stands to the left of item @i, and of the lines below it */
static void indent(FILE *out, const struct picture *p, size_t i, bool below)
{
	size_t chain[INDENT_MAX];
	int n = 0;

	for (size_t at = i; n < INDENT_MAX && p->items[at].parent != NOBODY; at = p->items[at].parent)
		chain[n++] = at;
	while (n-- > 0) {
		bool more = p->items[chain[n]].next != NOBODY;

		fputs(n == 0 && !below ? more ? "|-- " : "`-- " : more ? "|   " : "    ", out);
	}
	if (below)
		fputs(p->items[i].child != NOBODY ? "|   " : "    ", out);
}

static void print_state(FILE *out, const struct grove_info *info, gr_time now)
{
	const char *kind = info->waits_on_kind;

	switch (info->state) {
	case GROVE_STATE_DELAYED:
		fputs("not yet begun", out);
		return;
	case GROVE_STATE_READY:
		fputs("ready", out);
		return;
	case GROVE_STATE_RUNNING:
		fputs("running", out);
		return;
	case GROVE_STATE_PARKED:
		break;
	}
	fprintf(out, "waits for %s", info->waits ? info->waits : "its turn");
	if (kind && info->waits && strcmp(kind, info->waits) != 0)
		fprintf(out, " of %s", kind);
	if (info->waits_on && gr_is(info->waits_on, GR_GREENLET))
		fprintf(out, " %llu", (unsigned long long)((const struct grove_greenlet *)info->waits_on)->id);
	else if (info->waits_on)
		fprintf(out, " %p", info->waits_on);
	fprintf(out, ", %lld.%03d s", (long long)((now - info->since) / GR_SEC(1)), (int)((now - info->since) / GR_MS(1) % 1000));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Return addresses point behind the call, which may be the end of a function. */
static bool find_symbol(void *pc, Dl_info *ret_info, struct link_map **ret_map)
{
	return dladdr1((void *)((uintptr_t)pc - 1), ret_info, (void **)ret_map, RTLD_DL_LINKMAP) != 0 && *ret_map;
}

/* The frames between a public function and the switch are of no interest. */
static bool is_internal(void *pc)
{
	struct link_map *map, *ours;
	Dl_info info, us;

	return find_symbol(pc, &info, &map) && find_symbol((void *)(uintptr_t)gr_walk_begins, &us, &ours) && map == ours &&
	       map->l_name[0] && (!info.dli_sname || strncmp(info.dli_sname, "gr_", 3) == 0);
}

static void print_frame(FILE *out, void *pc)
{
	struct link_map *map;
	Dl_info info;

	if (!find_symbol(pc, &info, &map))
		fprintf(out, "0x%lx\n", (unsigned long)pc);
	else if (info.dli_sname)
		fprintf(out, "%s+0x%lx in %s\n", info.dli_sname, (unsigned long)((char *)pc - (char *)info.dli_saddr),
			base_name(info.dli_fname));
	else
		fprintf(out, "0x%lx in %s\n", (unsigned long)((uintptr_t)pc - map->l_addr), base_name(info.dli_fname));
}

/* Nor are those of the thread that runs a greenlet: below its function, grove's and then two of libc's. */
static int outermost(const struct grove_info *info)
{
	int end = info->depth;

	while (end > 0 && info->depth - end < 3 && !is_internal(info->stack[end - 1]))
		end--;
	if (end == 0 || !is_internal(info->stack[end - 1]))
		return info->depth;
	while (end > 1 && is_internal(info->stack[end - 1]))
		end--;
	return end;
}

static void print_item(FILE *out, const struct picture *p, size_t i, gr_time now)
{
	const struct grove_info *info = &p->items[i].info;
	int at = 0, end = outermost(info);

	indent(out, p, i, false);
	if (info->id)
		fprintf(out, "%s (id %llu): ", info->name, (unsigned long long)info->id);
	else
		fprintf(out, "thread %s (tid %d): ", info->name, info->tid);
	print_state(out, info, now);
	fputc('\n', out);
	while (at < end - 1 && is_internal(info->stack[at]))
		at++;
	for (; at < end; at++) {
		indent(out, p, i, true);
		fputs("    ", out);
		print_frame(out, info->stack[at]);
	}
}

/* Not by recursion: a chain of greenlets that spawned one another may be longer than a stack is deep. */
static void print_tree(FILE *out, const struct picture *p)
{
	gr_time now = gr_now();
	size_t i = p->n ? 0 : NOBODY;

	while (i != NOBODY) {
		print_item(out, p, i, now);
		if (p->items[i].child != NOBODY) {
			i = p->items[i].child;
			continue;
		}
		while (i != NOBODY && p->items[i].next == NOBODY)
			i = p->items[i].parent;
		if (i != NOBODY)
			i = p->items[i].next;
	}
}

static void print_head(FILE *out, const struct picture *p)
{
	size_t n[GROVE_STATE_PARKED + 1] = { 0 };

	for (size_t i = 0; i < p->n; i++)
		n[p->items[i].info.state]++;
	fprintf(out, "grove: %zu greenlet%s", p->n, p->n == 1 ? "" : "s");
	if (n[GROVE_STATE_READY])
		fprintf(out, ", %zu ready", n[GROVE_STATE_READY]);
	if (n[GROVE_STATE_PARKED])
		fprintf(out, ", %zu parked", n[GROVE_STATE_PARKED]);
	if (n[GROVE_STATE_DELAYED])
		fprintf(out, ", %zu not yet begun", n[GROVE_STATE_DELAYED]);
	fputc('\n', out);
}

char *grove_format_run_info(unsigned flags)
{
	char *text = NULL;
	struct picture p;
	size_t size;
	FILE *out;
	int err;

	GR_ANYWHERE((char *)NULL, grove_format_run_info, flags);
	if (flags & ~(GROVE_STACKS | GROVE_SERVICES))
		return gr_fails_null(EINVAL);
	err = take(&p, flags);
	if (err)
		return gr_fails_null(err);
	err = errno;			/* dladdr() and stdio may touch it */
	out = open_memstream(&text, &size);
	if (out) {
		grow(&p);
		print_head(out, &p);
		print_tree(out, &p);
		if (fclose(out) == EOF) {
			free(text);
			text = NULL;
		}
	}
	drop(&p);
	errno = text ? err : ENOMEM;
	return text;
}

int grove_print_run_info(int fd, unsigned flags)
{
	char *text, *at;
	size_t left;
	int err;

	GR_ANYWHERE(-1, grove_print_run_info, fd, flags);
	text = at = grove_format_run_info(flags);
	if (!text)
		return -1;
	err = errno;
	for (left = strlen(text); left > 0;) {
		ssize_t n = write(fd, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = errno;
			break;
		}
		at += n;
		left -= (size_t)n;
	}
	free(text);
	errno = err;
	return left ? -1 : 0;
}
