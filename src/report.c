/*
 * report.c - lines, stacks, and where they go
 */
#include "report.h"
#include "api/greenlet.h"
#include "raw.h"
#include "sched.h"
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unwind.h>

static char log_path[PATH_MAX];		/* empty: standard error */

/* --- stacks --------------------------------------------------------------------------------------------------------------------------- */

struct look {
	struct gr_frames *frames;
	const void *from;
	bool begun;
};

static uint64_t mix(uint64_t hash, uintptr_t with)
{
	return (hash ^ with) * 0x9e3779b97f4a7c15ul ^ hash >> 29;
}

static _Unwind_Reason_Code frame(struct _Unwind_Context *context, void *arg)
{
	struct look *l = arg;
	struct gr_frames *f = l->frames;
	int exact = 0;
	const char *pc = (const char *)(uintptr_t)_Unwind_GetIPInfo(context, &exact);

	if (!l->begun)
		l->begun = l->from ? pc == l->from : !gr_symbols_own(pc - 1);
	if (!l->begun)
		return _URC_NO_REASON;
	if (!pc || f->n == GR_FRAMES)
		return _URC_END_OF_STACK;
	f->at[f->n++] = exact ? pc : pc - 1;
	f->path = mix(f->path, (uintptr_t)pc);
	f->functions = mix(f->functions, (uintptr_t)_Unwind_GetRegionStart(context));
	return _URC_NO_REASON;
}

void gr_report_look(struct gr_frames *ret, const void *pc)
{
	struct look l = { .frames = ret, .from = pc };

	ret->n = 0;
	ret->path = ret->functions = 1;
	_Unwind_Backtrace(frame, &l);
	if (ret->n == 0 && pc) {
		ret->at[ret->n++] = pc;
		ret->path = ret->functions = mix(1, (uintptr_t)pc);
	}
}

/* --- lines ----------------------------------------------------------------------------------------------------------------------------- */

void gr_report_put(struct gr_report *r, const char *s)
{
	while (*s && r->used < sizeof(r->text))
		r->text[r->used++] = *s++;
}

void gr_report_number(struct gr_report *r, uint64_t n, unsigned base)
{
	struct gr_line l = { .used = 0 };

	gr_line_number(&l, n, base);
	l.text[l.used] = '\0';
	gr_report_put(r, l.text);
}

void gr_report_ms(struct gr_report *r, gr_time t)
{
	gr_report_number(r, (uint64_t)(t / GR_MS(1)), 10);
	gr_report_put(r, " ms");
}

static void put_greenlet(struct gr_report *r, const struct grove_greenlet *rec)
{
	char title[GR_API_NAME];

	gr_report_put(r, rec->name[0] ? "greenlet " : "");	/* else it is called so */
	gr_report_put(r, gr_greenlet_title(rec, title, sizeof(title)));
	gr_report_put(r, " (id ");
	gr_report_number(r, rec->id, 10);
}

void gr_report_thread(struct gr_report *r, const struct gr_greenlet *g)
{
	const struct gr_carrier *c = gr_carrier();

	if (g == c->hub) {
		gr_report_put(r, "grove's own hub");
		return;
	}
	if (g->api && g->api->worker) {
		put_greenlet(r, g->api);
	} else {
		gr_report_put(r, g == c->main ? "the main thread" : "thread ");
		gr_report_put(r, g == c->main ? "" : g->name);
		gr_report_put(r, " (tid ");
		gr_report_number(r, (uint64_t)g->tid, 10);
	}
	gr_report_put(r, ")");
}

/* What gdb and addr2line(1) understand */
void gr_report_frame(struct gr_report *r, const void *pc, const char *indent)
{
	struct gr_symbol s;

	gr_report_put(r, indent);
	if (gr_symbols_find(&r->symbols, pc, true, &s)) {
		if (s.name[0]) {
			gr_report_put(r, s.name);
			gr_report_put(r, "+");
			gr_report_number(r, s.offset, 16);
			gr_report_put(r, " ");
		}
		gr_report_put(r, "(");
		gr_report_put(r, s.file);
		gr_report_put(r, "+");
		gr_report_number(r, s.at, 16);
		gr_report_put(r, ")");
	} else {
		gr_report_number(r, (uintptr_t)pc, 16);
	}
	gr_report_put(r, "\n");
}

void gr_report_frames(struct gr_report *r, const struct gr_frames *frames, const char *indent)
{
	for (int i = 0; i < frames->n; i++)
		gr_report_frame(r, frames->at[i], indent);
}

/* --- where they go --------------------------------------------------------------------------------------------------------------------- */

static long open_log(void)
{
	long fd = log_path[0] ? raw(SYS_open, log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666) : 2;

	return fd < 0 ? 2 : fd;
}

void gr_report_write(struct gr_report *r)
{
	long fd = open_log();
	size_t used = r->used;

	if (used == sizeof(r->text))
		while (used > 0 && r->text[used - 1] != '\n')
			used--;
	raw(SYS_write, fd, r->text, used);
	if (fd != 2)
		raw(SYS_close, fd);
	gr_symbols_end(&r->symbols);
	r->used = 0;
}

void gr_report_start(char **env)
{
	static const char name[] = "GROVE_AUDIT_LOG=";

	for (; env && *env; env++)
		if (strncmp(*env, name, sizeof(name) - 1) == 0)
			strncpy(log_path, *env + sizeof(name) - 1, sizeof(log_path) - 1);
}
