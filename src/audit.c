/*
 * audit.c - measuring
 */
#include "audit.h"
#include "arch/x86_64/arch.h"
#include "clock.h"
#include "hub.h"
#include "preempt.h"
#include "raw.h"
#include "report.h"
#include "stats.h"
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define FRESH		GR_MS(1)	/* a sample no older than that stands for the time when a call began */
#define PLACES		4096		/* that can be told of; beyond, nothing new is */
#define TOLD		(INT64_MIN / 2)	/* gr_greenlet.computed: until it is reset */

/* What the kernel has counted for the carrier's thread until a moment */
struct sample {
	gr_time at, ran, queued;	/* queued: stood in the run queue; 0 where the kernel does not count it */
	long slept, faults;		/* how often it gave up the processor; and faulted for what was on a disk */
};

struct gr_watched gr_watched;

static struct audit {
	gr_time computes_max;
	gr_time since;			/* the call began, or went on after a park */
	gr_time arrived;		/* at the current greenlet; or the hub's last wait ended */
	struct sample base;
	gr_time cpu;			/* at the last tick */
	uint64_t preempted;		/* carrier->stats', at the last switch */
	int schedstat;			/* a descriptor, or -1 */
	long nr;			/* of the call that is to be told of; -1: the hub's turn */
	gr_time held;
	const ucontext_t *uc;		/* what a tick has interrupted */
	struct gr_frames frames, raw_frames;
	long raw_nr;			/* a call that went the raw way, or -1 */
	struct gr_report report;
	uint64_t told[PLACES];
	uint32_t places;		/* atomic */
} a = { .schedstat = -1, .raw_nr = -1 };

/* --- once for each place ------------------------------------------------------------------------------------------------------------ */

bool gr_audit_is_new(uint64_t what)
{
	uint32_t n = __atomic_load_n(&a.places, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n && i < PLACES; i++)
		if (__atomic_load_n(&a.told[i], __ATOMIC_RELAXED) == what)
			return false;
	n = __atomic_fetch_add(&a.places, 1, __ATOMIC_ACQ_REL);
	if (n >= PLACES) {
		__atomic_store_n(&a.places, PLACES, __ATOMIC_RELEASE);
		return false;
	}
	__atomic_store_n(&a.told[n], what, __ATOMIC_RELEASE);
	return true;
}

/* --- what the kernel counts ---------------------------------------------------------------------------------------------------------- */

static const char *number(const char *s, gr_time *ret)
{
	for (*ret = 0; *s >= '0' && *s <= '9'; s++)
		*ret = 10 * *ret + (*s - '0');
	return s + (*s == ' ');
}

static gr_time cpu_time(void)
{
	struct timespec ts = { 0 };

	raw(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &ts);
	return gr_from_timespec(&ts);
}

static void open_schedstat(void)
{
	long fd = raw(SYS_open, "/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		a.schedstat = gr_own_fd((int)fd);
}

static struct sample take_sample(gr_time now)
{
	struct sample s = { .at = now };
	struct rusage ru;
	char text[96];
	long n = -1;

	if (a.schedstat < 0)
		open_schedstat();
	if (a.schedstat >= 0)
		n = raw(SYS_pread64, a.schedstat, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	number(number(text, &s.ran), &s.queued);
	if (s.ran == 0)
		s.ran = cpu_time();
	memset(&ru, 0, sizeof(ru));
	raw(SYS_getrusage, RUSAGE_THREAD, &ru);
	s.slept = ru.ru_nvcsw;
	s.faults = ru.ru_majflt;
	return s;
}

static void refresh(gr_time now)
{
	if (now - a.base.at < FRESH)
		return;
	a.base = take_sample(now);
	gr_watchdog_start();
}

/* How long was the carrier held from @since to @now?  0: by nothing of the program's doing. */
static gr_time how_long(gr_time since, gr_time now)
{
	struct sample s = take_sample(now), was = a.base;
	gr_time held = now - since - (s.queued - was.queued), ran = s.ran - was.ran;

	a.base = s;
	if (s.faults != was.faults || gr_alone(gr_carrier()))
		return 0;
	if (s.slept == was.slept && ran < held)
		held = ran;
	return held;
}

/* --- telling -------------------------------------------------------------------------------------------------------------------------- */

static void tell(const char *what, const struct gr_frames *frames)
{
	struct gr_report *r = &a.report;

	gr_report_put(r, "grove: audit: ");
	gr_report_put(r, what);
	gr_report_put(r, " held the carrier for ");
	gr_report_ms(r, a.held);
	gr_report_put(r, ", in ");
	gr_report_thread(r, gr_carrier()->current);
	gr_report_put(r, "\n");
	gr_report_frames(r, frames, "grove:     ");
	gr_report_write(r);
}

static const char *call_name(long nr)
{
	const char *name = gr_call_name(nr);

	return name ? name : "a system call without a name";
}

static int tell_of_call(void)
{
	gr_report_look(&a.frames, NULL);
	if (gr_audit_is_new(a.frames.path ^ (uint64_t)a.nr))
		tell(a.nr < 0 ? "a turn" : call_name(a.nr), &a.frames);
	return 0;
}

static void look_at_call(long nr, gr_time since, gr_time now)
{
	a.held = how_long(since, now);
	if (a.held <= gr_watched.call_max)
		return;
	a.nr = nr;
	gr_with_vectors(tell_of_call);
	gr_carrier()->current->computed = 0;
	a.since = a.arrived = gr_now();
	a.base = take_sample(a.since);
}

/* --- calls ---------------------------------------------------------------------------------------------------------------------------- */

static void step(uint32_t in_call)
{
	__atomic_store_n(&gr_watched.calls, in_call, __ATOMIC_RELAXED);
	__atomic_store_n(&gr_watched.steps, gr_watched.steps + 1, __ATOMIC_RELEASE);
}

int gr_audit_begin(long nr, bool yields)
{
	struct gr_greenlet *g = gr_carrier()->current;
	int outer = g->audit_call;

	a.since = gr_now();
	refresh(a.since);
	g->audit_call = (int)nr + 1;
	if (yields)
		g->computed = 0;
	step((uint32_t)nr + 1);
	return outer;
}

void gr_audit_end(long nr, int outer)
{
	gr_time now = gr_now();

	if (GR_UNLIKELY(now - a.since > gr_watched.call_max))
		look_at_call(nr, a.since, now);
	gr_carrier()->current->audit_call = outer;
	step((uint32_t)outer);
}

int gr_audit_pauses(void)
{
	struct gr_greenlet *g = gr_carrier()->current;
	int call = g->audit_call;
	gr_time now = gr_now();

	if (call && now - a.since > gr_watched.call_max)
		look_at_call(call - 1, a.since, now);
	g->audit_call = 0;		/* a handler may never come back */
	step(0);
	return call;
}

void gr_audit_goes_on(int call)
{
	gr_carrier()->current->audit_call = call;
	a.since = gr_now();
	step((uint32_t)call);
}

static int look_before_raw(void)
{
	gr_report_look(&a.raw_frames, NULL);
	return 0;
}

void gr_audit_goes_raw(long nr, int outer)
{
	struct gr_carrier *c = gr_carrier();
	uint32_t inside = c->inside;

	c->inside = GR_INSIDE;		/* a call by the unwinder is not the one after the clone */
	c->current->audit_call = outer;
	a.raw_nr = nr;
	gr_with_vectors(look_before_raw);
	a.since = gr_now();
	c->inside = inside;
}

static int tell_of_raw(void)
{
	if (gr_audit_is_new(a.raw_frames.path ^ (uint64_t)a.raw_nr))
		tell(call_name(a.raw_nr), &a.raw_frames);
	return 0;
}

void gr_audit_raw_done(void)
{
	gr_time now = gr_now();

	if (a.raw_nr >= 0 && now - a.since > gr_watched.call_max) {
		a.held = how_long(a.since, now);
		if (a.held > gr_watched.call_max)
			gr_with_vectors(tell_of_raw);
	}
	a.raw_nr = -1;
	step(0);
}

/* --- switches, the hub ------------------------------------------------------------------------------------------------------------------ */

/* From carrier->current to carrier->switch_to.  Who was interrupted by a tick goes on computing. */
static int on_switch(void)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *from = c->current;
	gr_time now = gr_now();

	if (from == c->hub && now - a.arrived > gr_watched.call_max)
		look_at_call(-1, a.arrived, now);
	else if (from->audit_call && c->inside && now - a.since > gr_watched.call_max)
		look_at_call(from->audit_call - 1, a.since, now);
	if (c->stats.preempted == a.preempted)
		from->computed = 0;
	a.preempted = c->stats.preempted;
	a.since = a.arrived = now;
	refresh(now);
	step((uint32_t)c->switch_to->audit_call);
	return 0;
}

void gr_audit_hub_waits(void)
{
	gr_time now = gr_now();

	if (now - a.arrived > gr_watched.call_max)
		look_at_call(-1, a.arrived, now);
	__atomic_store_n(&gr_watched.hub_waits, 1, __ATOMIC_RELAXED);
	step(0);
}

void gr_audit_hub_waited(void)
{
	__atomic_store_n(&gr_watched.hub_waits, 0, __ATOMIC_SEQ_CST);
	step(0);
	if (__atomic_load_n(&gr_watched.asleep, __ATOMIC_SEQ_CST))
		gr_watchdog_wake();
	a.since = a.arrived = gr_now();
	a.base = take_sample(a.arrived);
}

/* --- computing -------------------------------------------------------------------------------------------------------------------------- */

/* In the tick's handler, so with the registers in its frame */
static void tell_of_computing(struct gr_greenlet *g, const ucontext_t *uc)
{
	gr_report_look(&a.frames, (const void *)uc->uc_mcontext.gregs[REG_RIP]);
	if (gr_audit_is_new(a.frames.functions)) {
		a.held = g->computed;
		tell("computing", &a.frames);
	}
	g->computed = TOLD;
}

/* What has passed since the last tick was used by others, too, if there were any. */
static void on_tick(const ucontext_t *uc, bool inside)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	gr_time cpu = cpu_time(), used = cpu - a.cpu, here = gr_now() - a.arrived;

	a.cpu = cpu;
	g->computed += used < here ? used : here;
	if (g->computed > a.computes_max && !gr_watched.calls && (!inside || g == c->hub) && !gr_alone(c))
		tell_of_computing(g, uc);
}

/* --- start, fork ------------------------------------------------------------------------------------------------------------------------ */

static const char *value_of(char **env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=' && (*env)[n + 1])
			return *env + n + 1;
	return NULL;
}

static const char *bound(const char *s, gr_time *ret)
{
	gr_time n = 0;

	if (*s < '0' || *s > '9')
		return s;
	for (; *s >= '0' && *s <= '9' && n < 1000000000; s++)
		n = 10 * n + (*s - '0');
	*ret = GR_MS(n);
	return *s == ',' ? s + 1 : s;
}

void gr_audit_start(char **env)
{
	struct gr_carrier *c = gr_carrier();
	const char *value = value_of(env, "GROVE_AUDIT");

	c->deadlock = value || value_of(env, "GROVE_DEADLOCK");
	if (!c->deadlock)
		return;
	gr_report_start(env);
	if (!value)
		return;
	gr_watched.call_max = GR_AUDIT_CALL;
	a.computes_max = GR_AUDIT_COMPUTES;
	bound(bound(value, &gr_watched.call_max), &a.computes_max);
	a.since = a.arrived = gr_now();
	a.base = take_sample(a.since);
	c->audit_switch = on_switch;
	c->on_switch = on_switch;
	c->audit = true;
}

void gr_audit_go(void)
{
	if (!gr_carrier()->audit)
		return;
	gr_preempt_watch(on_tick);
	gr_watchdog_start();		/* now, as what it is to see may be the first thing that the program does */
}

void gr_audit_fork_child(void)
{
	if (!gr_carrier()->audit)
		return;
	a.schedstat = -1;
	a.raw_nr = -1;
	a.cpu = 0;
	a.since = a.arrived = gr_now();
	gr_watched.hub_waits = 0;
	gr_watchdog_fork_child();
	a.base = take_sample(a.since);
}
