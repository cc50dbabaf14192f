/*
 * fake_sched.h - park and wake for unit tests: greenlets on ucontext, a clock that jumps when everyone is parked
 *
 * Include once per test program: it defines what sched.c and signal.c would, so that the archive's own are not linked in.
 *	fake_start(); fake_go("name", fn, arg); ... fake_run();		runs until nobody can; returns how many are still parked
 * fake_note("...") appends to fake_log, which rows compare.  A signal is fake_signal(g): the next park of @g, or the one it is in, ends with
 * -EINTR.
 */
#ifndef FAKE_SCHED_H
#define FAKE_SCHED_H

#include "clock.h"
#include "sched.h"
#include "signal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define FAKE_MAX	64
#define FAKE_STACK	(256 * 1024)

struct fake {
	struct gr_greenlet g;
	ucontext_t context;
	char *stack;
	const char *name;
	void (*fn)(void *);
	void *arg;
	gr_time deadline;
	bool signal;
};

struct gr_carrier gr_carrier0;

static struct fake fakes[FAKE_MAX];
static int fake_count;
static gr_time fake_clock;
static ucontext_t fake_main;
static char fake_log[4096];
static int fake_handlers;			/* how often gr_signal_deliver() was asked */

/* called when all are parked and before the clock jumps; true: somebody may be ready now */
static bool (*fake_idle)(void);

static gr_time fake_now(void)
{
	return fake_clock;
}

static struct fake *fake_of(struct gr_greenlet *g)
{
	return gr_container(g, struct fake, g);
}

__attribute__((unused)) static void fake_note(const char *what)
{
	size_t n = strlen(fake_log);

	snprintf(fake_log + n, sizeof(fake_log) - n, "%s%s", n ? " " : "", what);
}

__attribute__((unused)) static const char *fake_name(void)
{
	return fake_of(gr_carrier0.current)->name;
}

static void fake_leave(struct fake *f)
{
	swapcontext(&f->context, &fake_main);
}

int gr_park(const char *waits, gr_time deadline, unsigned flags)
{
	struct fake *f = fake_of(gr_carrier0.current);

	if (f->signal && (flags & GR_PARK_INTR)) {
		f->signal = false;
		return -EINTR;
	}
	f->g.waits = waits;
	f->g.park_flags = (uint8_t)flags;
	f->g.state = GR_PARKED;
	f->g.result = 0;
	f->deadline = deadline;
	fake_leave(f);
	return f->g.result;
}

bool gr_wake(struct gr_greenlet *g, int result)
{
	if (g->state != GR_PARKED)
		return false;
	g->state = GR_READY;
	g->result = result;
	gr_list_push(&gr_carrier0.ready, &g->run);
	return true;
}

void gr_yield(void)
{
	struct fake *f = fake_of(gr_carrier0.current);

	f->g.state = GR_READY;
	gr_list_push(&gr_carrier0.ready, &f->g.run);
	fake_leave(f);
}

bool gr_others_ready(void)
{
	return !gr_list_empty(&gr_carrier0.ready);
}

struct gr_greenlet *gr_find_tid(int tid)
{
	for (int i = 0; i < fake_count; i++)
		if (fakes[i].g.tid == tid && fakes[i].g.state != GR_DEAD)
			return &fakes[i].g;
	return NULL;
}

/* --- signals and program memory ------------------------------------------------------------------------------------------- */

__attribute__((unused)) static void fake_signal(struct gr_greenlet *g)
{
	if (g->state != GR_PARKED || !(g->park_flags & GR_PARK_INTR))
		fake_of(g)->signal = true;
	else
		gr_wake(g, -EINTR);
}

void gr_signal_collect(void)
{
}

int gr_signal_deliver(bool *ret_restart)
{
	*ret_restart = true;
	return fake_handlers++, 1;
}

static int fake_copy(void *to, const void *from, size_t n, long nr, void *remote)
{
	struct iovec mine = { to == remote ? (void *)from : to, n }, theirs = { remote, n };

	return syscall(nr, (long)getpid(), &mine, 1L, &theirs, 1L, 0L) == (long)n ? 0 : -EFAULT;
}

int gr_user_read(void *to, const void *from, size_t n)
{
	return fake_copy(to, from, n, SYS_process_vm_readv, (void *)from);
}

int gr_user_write(void *to, const void *from, size_t n)
{
	return fake_copy(to, from, n, SYS_process_vm_writev, to);
}

int gr_user_writable(uint32_t *word)
{
	uint32_t v;

	return gr_user_read(&v, word, sizeof(v)) < 0 ? -EFAULT : gr_user_write(word, &v, sizeof(v));
}

/* --- running ---------------------------------------------------------------------------------------------------------------- */

static void fake_enter(void)
{
	struct fake *f = fake_of(gr_carrier0.current);

	f->fn(f->arg);
	f->g.state = GR_DEAD;
	fake_leave(f);
}

__attribute__((unused)) static void fake_start(void)
{
	gr_carrier0 = (struct gr_carrier){ .inside = 1, .on = true, .pid = getpid(), .tid = (int)syscall(SYS_gettid) };
	gr_list_init(&gr_carrier0.ready);
	for (int i = 0; i < fake_count; i++)
		free(fakes[i].stack);
	memset(fakes, 0, sizeof(fakes));
	fake_count = fake_handlers = 0;
	fake_clock = GR_SEC(1000);
	fake_log[0] = '\0';
	fake_idle = NULL;
	gr_clock_source = fake_now;
}

/* The first one has the tid of this kernel thread; the next ones those of greenlets. */
__attribute__((unused)) static struct gr_greenlet *fake_go(const char *name, void (*fn)(void *), void *arg)
{
	struct fake *f = &fakes[fake_count];

	*f = (struct fake){ .name = name, .fn = fn, .arg = arg, .stack = malloc(FAKE_STACK), .deadline = GR_NEVER };
	f->g.tid = fake_count ? GR_FIRST_TID + fake_count : gr_carrier0.tid;
	gr_list_init(&f->g.run);
	gr_list_init(&f->g.all);
	fake_count++;
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = FAKE_STACK;
	makecontext(&f->context, fake_enter, 0);
	f->g.state = GR_READY;
	gr_list_push(&gr_carrier0.ready, &f->g.run);
	return &f->g;
}

/* The earliest deadline comes: true when there was one. */
static bool fake_jump(void)
{
	struct fake *next = NULL;

	for (int i = 0; i < fake_count; i++)
		if (fakes[i].g.state == GR_PARKED && fakes[i].deadline != GR_NEVER && (!next || fakes[i].deadline < next->deadline))
			next = &fakes[i];
	if (!next)
		return false;
	if (fake_clock < next->deadline)
		fake_clock = next->deadline;
	return gr_wake(&next->g, -ETIMEDOUT);
}

__attribute__((unused)) static int fake_run(void)
{
	int parked = 0;

	do {
		while (!gr_list_empty(&gr_carrier0.ready)) {
			struct fake *f = fake_of(gr_list_first(&gr_carrier0.ready, struct gr_greenlet, run));

			gr_list_del(&f->g.run);
			f->g.state = GR_RUNNING;
			gr_carrier0.current = &f->g;
			swapcontext(&fake_main, &f->context);
		}
	} while ((fake_idle && fake_idle()) || fake_jump());
	for (int i = 0; i < fake_count; i++)
		parked += fakes[i].g.state == GR_PARKED;
	return parked;
}

#endif
