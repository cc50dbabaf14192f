/*
 * start.c - the runtime under a program that uses the API: started on first use; the greenlet for callbacks; native threads
 */
#include "greenlet.h"
#include "loop.h"
#include "start.h"
#include "threadpool.h"
#include "../gate.h"
#include "../preempt.h"
#include "../raw.h"
#include <linux/futex.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
	int starting;
	bool failed;
	int why;			/* the runtime could not start, but may the next time: an errno value */
	struct gr_list soon;		/* gr_soon: what the greenlet for callbacks is to run */
	struct gr_greenlet *runs_soon;	/* parked while there is nothing */
	uint32_t native_ended;		/* atomic: a note of it is on its way */
} api = { .soon = { &api.soon, &api.soon } };

/* --- the greenlet for callbacks ---------------------------------------------------------------------------------------------------- */

static struct gr_soon *next_callback(void)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_soon *job;

	gr_enter();
	gr_break_reset(c->current);	/* what the one before has left of scopes and kills */
	while (gr_list_empty(&api.soon)) {
		api.runs_soon = c->current;
		gr_park("callbacks", GR_NEVER, 0);
		api.runs_soon = NULL;
	}
	job = gr_list_first(&api.soon, struct gr_soon, link);
	gr_list_del(&job->link);
	gr_leave_quietly();
	return job;
}

static void *run_callbacks(void *arg);

/* A callback has ended the greenlet, as pthread_exit(3) does: the next ones get another. */
static void run_others(void *arg)
{
	(void)arg;
	if (!gr_spawn_service("callbacks", run_callbacks, NULL))
		gr_warn("no greenlet for callbacks any more", errno);
}

static void *run_callbacks(void *arg)
{
	pthread_cleanup_push(run_others, arg);
	for (;;) {
		struct gr_soon *job = next_callback();

		job->fn(job);
	}
	pthread_cleanup_pop(0);
	return NULL;
}

void gr_soon(struct gr_soon *job)
{
	gr_list_push(&api.soon, &job->link);
	if (api.runs_soon)
		gr_wake(api.runs_soon, 0);
}

/* --- the beginning ------------------------------------------------------------------------------------------------------------------ */

/* Is it for the caller to do?  Another greenlet may have come first, as they are preempted until then. */
static bool begins_api(struct gr_carrier *c)
{
	bool begins;

	gr_enter();
	begins = !c->api_on;
	if (begins)
		api.why = c->hub ? 0 : -gr_hub_possible();
	if (begins && !api.why) {
		c->api_on = true;
		gr_preempt_cooperate();
	}
	gr_leave_quietly();
	return begins;
}

static bool start_api(struct gr_carrier *c)
{
	if (!begins_api(c))
		return true;
	if (api.why)
		return false;
	gr_greenlet_adopt_main();
	if (!gr_spawn_service("callbacks", run_callbacks, NULL)) {
		api.why = errno;
		c->api_on = false;
		return false;
	}
	gr_enter();
	gr_yield();			/* from now on there is a hub, which notes from other threads can reach */
	gr_leave_quietly();
	return true;
}

bool gr_here_slow(void)
{
	struct gr_carrier *c = gr_carrier();

	if (!c->on && !api.failed && __atomic_exchange_n(&api.starting, 1, __ATOMIC_ACQ_REL) == 0) {
		api.failed = gr_init_unpatched(environ) < 0 || !c->on;
		__atomic_store_n(&api.starting, 0, __ATOMIC_RELEASE);
	}
	if (!gr_on_greenlet(c))
		return false;
	return c->api_on || start_api(c);
}

int gr_why_not(void)
{
	return api.why ? api.why : ENOTSUP;
}

static void exit_process(struct gr_soon *job)
{
	(void)job;
	exit(0);
}

void gr_api_last_one_ends(void)
{
	static struct gr_soon job = { .fn = exit_process };

	if (job.link.next)
		return;
	gr_soon(&job);
}

static void look_for_last_one(struct gr_note *note)
{
	struct gr_carrier *c = gr_carrier();

	(void)note;
	__atomic_exchange_n(&api.native_ended, 0, __ATOMIC_SEQ_CST);
	if (c->main->state == GR_DEAD && c->stats.alive == c->background && !gr_natives_left(c))
		gr_api_last_one_ends();
}

void gr_api_native_ends(void)
{
	static struct gr_note note = { .fn = look_for_last_one };
	struct gr_carrier *c = gr_carrier();

	__atomic_fetch_sub(&c->native_threads, 1, __ATOMIC_SEQ_CST);
	if (c->api_on && __atomic_exchange_n(&api.native_ended, 1, __ATOMIC_SEQ_CST) == 0)
		gr_post(&note);
}

void gr_api_fork_child(void)
{
	gr_list_init(&api.soon);
	api.runs_soon = NULL;
	api.native_ended = 0;
	gr_carrier()->api_on = false;
	gr_loop_forget();
	gr_hub_signals_forget();
	gr_greenlet_fork_child();
	gr_threadpool_fork_child();
}

/* --- native threads ------------------------------------------------------------------------------------------------------------------ */

struct own_thread {
	void *(*fn)(void *);
	void *arg;
};

/* Until its exit(2) arrives it passes for one of the program's. */
static void own_thread_ends(void *arg)
{
	(void)arg;
	__atomic_fetch_sub(&gr_carrier()->own_threads, 1, __ATOMIC_SEQ_CST);
}

static void *run_own_thread(void *arg)
{
	struct own_thread t = *(struct own_thread *)arg;
	void *value;

	free(arg);
	pthread_cleanup_push(own_thread_ends, NULL);
	value = t.fn(t.arg);
	pthread_cleanup_pop(1);
	return value;
}

int gr_native_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	struct own_thread *t = malloc(sizeof(*t));
	int err;

	if (!t)
		return ENOMEM;
	*t = (struct own_thread){ fn, arg };
	g->next_clone = GR_CLONE_NATIVE;
	err = pthread_create(thread, attr, run_own_thread, t);
	if (err) {
		free(t);
		if (g->next_clone == GR_CLONE_USUAL) {	/* it was counted, and then the kernel refused */
			own_thread_ends(NULL);
			__atomic_fetch_sub(&c->native_threads, 1, __ATOMIC_SEQ_CST);
		}
	}
	g->next_clone = GR_CLONE_USUAL;
	return err;
}

typedef long any_fn(long, long, long, long, long, long);

/* On the native thread's stack, which sleeps until .done. */
struct request {
	struct gr_note note;
	struct gr_soon soon;
	any_fn *fn;
	long arg[6], ret;
	int err;
	bool failed;			/* there is no result, but .err */
	uint32_t done;
	uintptr_t asker;
};

static void answered(struct request *r)
{
	uint32_t *done = &r->done;	/* once it is set, the rest may be gone */

	__atomic_store_n(done, 1, __ATOMIC_RELEASE);
	raw(SYS_futex, done, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

static void failed(struct request *r, int err)
{
	r->failed = true;
	r->err = err;
	answered(r);
}

/* One of the program's functions that were called has ended the greenlet. */
static void cut_short(void *arg)
{
	failed(arg, ECANCELED);
}

static void *answer(void *arg)
{
	struct request *r = arg;

	pthread_cleanup_push(cut_short, r);
	errno = 0;
	r->ret = r->fn(r->arg[0], r->arg[1], r->arg[2], r->arg[3], r->arg[4], r->arg[5]);
	r->err = errno;
	pthread_cleanup_pop(0);
	answered(r);
	return NULL;
}

static void spawn_answer(struct gr_soon *job)
{
	struct request *r = gr_container(job, struct request, soon);

	if (gr_spawn_for(r->asker, answer, r) < 0)
		failed(r, errno);
}

static void request_arrives(struct gr_note *note)
{
	gr_soon(&gr_container(note, struct request, note)->soon);
}

bool gr_remote(long *ret, void (*fn)(void), long a, long b, long c, long d, long e, long f)
{
	struct request r = { .note.fn = request_arrives, .soon.fn = spawn_answer, .fn = (any_fn *)fn, .arg = { a, b, c, d, e, f },
			     .asker = gr_fs_self() };
	struct gr_carrier *carrier = gr_carrier();

	if (!carrier->api_on || carrier->pid != getpid() || gr_fs_self() == carrier->current->fs) {
		errno = gr_why_not();
		return false;
	}
	gr_post(&r.note);
	while (!__atomic_load_n(&r.done, __ATOMIC_ACQUIRE))
		raw(SYS_futex, &r.done, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, 0);
	if (r.err)
		errno = r.err;
	*ret = r.ret;
	return !r.failed;
}

uintptr_t gr_asker(void)
{
	struct gr_greenlet *g = gr_carrier()->current;

	if (g->api && g->api->asker)
		return g->api->asker;
	return g->worker && g->api ? g->api->id << 1 | 1 : (uintptr_t)g->tid << 1;	/* FS bases are far above, and even */
}

struct gr_greenlet *gr_greenlet_of_asker(uintptr_t asker)
{
	if (!(asker & 1))
		return asker >> 1 <= INT32_MAX ? gr_find_tid((int)(asker >> 1)) : NULL;
	gr_list_each(it, &gr_greenlets) {
		struct grove_greenlet *rec = gr_container(it, struct grove_greenlet, all);

		if (rec->id == asker >> 1)
			return rec->g;
	}
	return NULL;
}
