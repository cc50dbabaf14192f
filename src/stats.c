/*
 * stats.c - --stats: counters, printed with nothing but raw writes, since the program is on its way out
 */
#include "stats.h"
#include "gate.h"
#include "offload.h"
#include "raw.h"
#include "sched.h"
#include "uring.h"
#include <fcntl.h>
#include <string.h>

static char target[4096];		/* "" for none, "1" for standard error, else a file */

static const char *const names[GR_NR_CALLS] = {
#define ROW(kind, name, nr, function, file, test, how) [nr] = name,
#define PLAIN(kind, name, nr, why) [nr] = name,
#include "green/calls.h"
};

const char *gr_call_name(long nr)
{
	return (unsigned long)nr < GR_NR_CALLS ? names[nr] : NULL;
}

struct out {
	char buf[512];
	size_t n;
	int fd;
};

static void put(struct out *o, const char *s)
{
	while (*s && o->n < sizeof(o->buf))
		o->buf[o->n++] = *s++;
}

static void put_number(struct out *o, uint64_t v)
{
	char digits[24];
	size_t i = sizeof(digits) - 1;

	digits[i] = '\0';
	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	put(o, digits + i);
}

static void end_line(struct out *o)
{
	put(o, "\n");
	raw(SYS_write, o->fd, o->buf, o->n);
	o->n = 0;
}

static void line(struct out *o, const char *what, uint64_t v, const char *what2, uint64_t v2)
{
	put(o, "grove: ");
	put(o, what);
	put_number(o, v);
	if (what2) {
		put(o, what2);
		put_number(o, v2);
	}
	end_line(o);
}

static void print_calls(struct out *o, const struct gr_stats *st)
{
	for (int nr = 0; nr < GR_NR_CALLS; nr++) {
		if (!st->calls[nr])
			continue;
		put(o, "grove: call ");
		put(o, names[nr]);
		put(o, " ");
		put_number(o, st->calls[nr]);
		put(o, ", parked ");
		put_number(o, st->parked[nr]);
		end_line(o);
	}
}

void gr_stats_print(void)
{
	const struct gr_stats *st = &gr_carrier()->stats;
	struct gr_offload_stats off;
	struct gr_gate_stats gate;
	struct out o = { .fd = 2 };
	long fd;

	if (!target[0])
		return;
	if (strcmp(target, "1") != 0) {
		fd = raw(SYS_openat, AT_FDCWD, target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		o.fd = raw_failed(fd) ? 2 : (int)fd;
	}
	gr_offload_get_stats(&off);
	gr_gate_get_stats(&gate);
	line(&o, "greenlets made ", st->made, ", alive at most ", st->at_most);
	line(&o, "switches ", st->switches, ", wake-ups ", st->wakeups);
	line(&o, "greenlets that computed for longer than a slice, switched out ", st->preempted, NULL, 0);
	line(&o, "sites found ", gate.sites, ", patched ", gate.patched);
	line(&o, "sites left alone ", gate.kept, ", that could not be patched ", gate.failed);
	line(&o, "offloaded calls ", off.calls, ", offload threads at most ", off.at_most);
	line(&o, "offloaded calls waiting for a thread, at most at once ", off.queued_at_most, ", now ", off.queued);
	line(&o, "reads of cold file pages by io_uring ", gr_uring_reads(), NULL, 0);
	print_calls(&o, st);
	if (o.fd != 2)
		raw(SYS_close, o.fd);
	target[0] = '\0';
}

void gr_stats_start(char **env)
{
	static const char name[] = "GROVE_STATS=";

	for (; env && *env; env++)
		if (strncmp(*env, name, sizeof(name) - 1) == 0)
			strncpy(target, *env + sizeof(name) - 1, sizeof(target) - 1);
}
