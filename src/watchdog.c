/*
 * watchdog.c - a kernel thread that looks at the carrier every few milliseconds: where is it, and since when?
 *
 * It runs raw.h code and what report.c is made of on a stack of its own, with all signals blocked.  It sleeps while the hub waits.  /proc tells it
 * in which system call the carrier sleeps: the same call with the same arguments, in the same stretch of sleep.
 */
#include "arch/x86_64/arch.h"
#include "audit.h"
#include "clock.h"
#include "hub.h"
#include "raw.h"
#include "report.h"
#include "stats.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#define STACK		(64u * 1024)
#define TEXT		256

static struct watchdog {
	int tid;			/* cleared by the kernel when the thread is gone */
	uint32_t end;
	int syscall_fd, schedstat_fd;
	bool blind;			/* /proc does not tell */
	void *stack;
	uintptr_t tls[8];		/* as in offload.c: [0] and [2] itself, so that nobody takes us for a greenlet */
	struct gr_report report;
} w = { .syscall_fd = -1, .schedstat_fd = -1 };

/* Where the carrier stands */
struct sight {
	uint32_t steps;
	gr_time since;			/* first seen like that */
	gr_time asleep_since;		/* in the system call of .where; 0: it is not */
	bool told;
	char where[TEXT], slices[TEXT];
};

/* --- on its thread ----------------------------------------------------------------------------------------------------------------- */

static void read_text(int fd, char text[TEXT])
{
	long n = raw(SYS_pread64, fd, text, TEXT - 1, 0);

	text[n > 0 ? n : 0] = '\0';
}

/* Sleeping in the very sleep of the last look?  The file's first word is the call's number, or "running", or -1: a page fault. */
static void look_where(struct sight *s, gr_time now)
{
	char where[TEXT], slices[TEXT];

	read_text(w.syscall_fd, where);
	read_text(w.schedstat_fd, slices);
	if (where[0] < '0' || where[0] > '9') {
		s->asleep_since = 0;
	} else if (!s->asleep_since || strcmp(where, s->where) != 0 || strcmp(slices, s->slices) != 0) {
		memcpy(s->where, where, TEXT);
		memcpy(s->slices, slices, TEXT);
		s->asleep_since = now;
	}
}

static uint64_t last_number(const char *text)
{
	const char *s = strrchr(text, 'x');
	uint64_t n = 0;

	for (s = s ? s + 1 : ""; (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f'); s++)
		n = n << 4 | (uint64_t)(*s <= '9' ? *s - '0' : *s - 'a' + 10);
	return n;
}

static long first_number(const char *text)
{
	long n = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		n = 10 * n + (*text - '0');
	return n;
}

static void tell(long nr, const void *pc, gr_time since, gr_time now, const char *why)
{
	struct gr_report *r = &w.report;
	const char *name = gr_call_name(nr);

	gr_report_put(r, "grove: audit: ");
	gr_report_put(r, name ? name : "a system call without a name");
	gr_report_put(r, why);
	gr_report_put(r, " holds the carrier, for ");
	gr_report_ms(r, now - since);
	gr_report_put(r, " so far, in ");
	gr_report_thread(r, gr_carrier()->current);
	gr_report_put(r, "\n");
	if (pc)
		gr_report_frame(r, pc, "grove:     ");
	gr_report_write(r);
}

/* One that is measured is told of when it is over, with its stack, unless that takes long. */
static void look_longer(struct sight *s, gr_time now)
{
	uint32_t call = __atomic_load_n(&gr_watched.calls, __ATOMIC_RELAXED);
	const void *pc;

	look_where(s, now);
	if (s->told || gr_alone(gr_carrier()))
		return;
	pc = s->asleep_since ? (const void *)last_number(s->where) : NULL;
	if (call && now - s->since > GR_AUDIT_STILL) {
		s->told = true;
		tell((long)call - 1, NULL, s->since, now, "");
	} else if (!call && s->asleep_since && now - s->asleep_since > gr_watched.call_max) {
		s->told = true;
		if (gr_audit_is_new((uintptr_t)pc))
			tell(first_number(s->where), pc, s->asleep_since, now, ", by code whose system calls do not come to grove,");
	}
}

static void sleep_while_hub_waits(void)
{
	__atomic_store_n(&gr_watched.asleep, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&gr_watched.hub_waits, __ATOMIC_SEQ_CST) && __atomic_load_n(&gr_watched.asleep, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&w.end, __ATOMIC_ACQUIRE))
		raw(SYS_futex, &gr_watched.asleep, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, 0);
	__atomic_store_n(&gr_watched.asleep, 0, __ATOMIC_SEQ_CST);
}

static void watch(void *arg)
{
	gr_time every = gr_watched.call_max > GR_MS(4) ? gr_watched.call_max / 2 : GR_MS(2);
	struct timespec ts;
	struct sight s = { 0 };
	int calm = 0;

	(void)arg;
	raw(SYS_prctl, PR_SET_NAME, "grove-audit");
	gr_to_timespec(every < GR_MS(100) ? every : GR_MS(100), &ts);
	while (!__atomic_load_n(&w.end, __ATOMIC_ACQUIRE)) {
		uint32_t steps = __atomic_load_n(&gr_watched.steps, __ATOMIC_ACQUIRE);
		gr_time now = gr_now();

		if (steps != s.steps)
			s = (struct sight){ .steps = steps, .since = now };
		calm = __atomic_load_n(&gr_watched.hub_waits, __ATOMIC_RELAXED) ? calm + 1 : 0;
		if (calm > 2)
			sleep_while_hub_waits();
		else if (!calm)
			look_longer(&s, now);
		raw(SYS_nanosleep, &ts, 0);
	}
}

/* --- on the carrier ----------------------------------------------------------------------------------------------------------------- */

static int open_own(const char *name)
{
	struct gr_line path = { .used = 0 };
	long fd;

	gr_line_put(&path, "/proc/self/task/");
	gr_line_number(&path, (uint64_t)gr_carrier()->tid, 10);
	gr_line_put(&path, name);
	path.text[path.used] = '\0';
	fd = raw(SYS_open, path.text, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : gr_own_fd((int)fd);
}

static bool can_see(void)
{
	if (w.syscall_fd < 0)
		w.syscall_fd = open_own("/syscall");
	if (w.schedstat_fd < 0)
		w.schedstat_fd = open_own("/schedstat");
	return w.syscall_fd >= 0 && w.schedstat_fd >= 0;
}

void gr_watchdog_start(void)
{
	long p;

	if (w.blind || __atomic_load_n(&w.tid, __ATOMIC_ACQUIRE))
		return;
	w.blind = !can_see();
	if (w.blind)
		return;
	if (!w.stack) {
		p = raw(SYS_mmap, 0, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (raw_failed(p))
			return;
		w.stack = (void *)p;
	}
	w.tls[0] = w.tls[2] = (uintptr_t)w.tls;
	__atomic_store_n(&w.end, 0, __ATOMIC_RELEASE);
	gr_raw_thread((char *)w.stack + STACK, w.tls, &w.tid, watch, NULL);
}

void gr_watchdog_wake(void)
{
	__atomic_store_n(&gr_watched.asleep, 0, __ATOMIC_SEQ_CST);
	raw(SYS_futex, &gr_watched.asleep, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

bool gr_watchdog_end(void)
{
	int tid = __atomic_load_n(&w.tid, __ATOMIC_ACQUIRE);
	bool was = tid != 0;

	__atomic_store_n(&w.end, 1, __ATOMIC_SEQ_CST);
	if (was)
		gr_watchdog_wake();
	for (; tid; tid = __atomic_load_n(&w.tid, __ATOMIC_ACQUIRE))
		raw(SYS_futex, &w.tid, FUTEX_WAIT, tid, 0);	/* the kernel wakes it when it clears it */
	return was;
}

/* The child has its memory and none of its descriptors. */
void gr_watchdog_fork_child(void)
{
	w.tid = 0;
	w.syscall_fd = w.schedstat_fd = -1;
	gr_watched.asleep = 0;
	gr_symbols_end(&w.report.symbols);
	w.report.used = 0;
}
