/*
 * threadpool.c - jobs on native threads
 *
 *	waiting --room in the ring--> queued --a worker takes it--> running --> over		cancelled: waiting --> over,
 *												queued --taken, not run--> over
 *
 * All lists belong to the carrier.  Workers see the ring, from which they take jobs without a lock, and sleep on a futex when it
 * is empty; what they have to say comes back as notes (hub.h).  A job is a future: its memory lives until the worker is done with
 * it, whoever waits.
 */
#include "threadpool.h"
#include "future.h"
#include "../clock.h"
#include "../raw.h"
#include <grove/task.h>
#include <grove/threadpool.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define RING		256		/* jobs that workers can take without the carrier; a power of two */
#define MAX_THREADS	4096
#define DEFAULT_MAX	32

enum { QUEUED, RUNNING, CANCELLED };

struct job {
	struct grove_future future;	/* first: freed with it */
	struct gr_note note;		/* it is over; from the worker */
	struct gr_list in;		/* pool->jobs */
	struct gr_list waits;		/* pool->waiting, while there is no room in the ring */
	grove_threadpool *pool;
	grove_fn *fn;
	void *arg, *value;
	int error;
	int state;			/* atomic */
};

struct worker {
	struct gr_note note;		/* the thread ends */
	struct gr_soon gone;
	grove_threadpool *pool;
	struct job *job;		/* the one it runs */
};

/* Jobs for workers: one who puts, many who take.  A slot is not written again before head has gone past it, so what was read from
 * it counts when head could be moved. */
struct ring {
	uint64_t head __attribute__((aligned(64)));	/* atomic: the next to be taken */
	uint64_t tail __attribute__((aligned(64)));	/* atomic, the carrier's: where the next is put */
	struct job *slots[RING];			/* atomic */
};

struct grove_threadpool {
	struct gr_object object;	/* GR_THREADPOOL; ready: no jobs */
	struct gr_list all;		/* in pools */
	struct gr_list jobs;		/* not over */
	struct gr_list waiting;
	struct gr_list joiners;		/* gr_turn: until there are no jobs */
	struct gr_list enders;		/* gr_turn: until there are no threads either */
	struct gr_soon grows;		/* a worker is to be made, outside */
	size_t unfinished;		/* jobs */
	unsigned max, threads;
	int leave;			/* atomic: so many workers are to end, whoever sees it first */
	uint32_t news;			/* futex: changes when there is something to do */
	uint32_t sleepers;		/* atomic: workers that wait for news, or are about to */
	struct ring ring;
};

gr_time gr_threadpool_linger = GR_SEC(10);

static struct gr_list pools = { &pools, &pools };
static grove_threadpool *default_pool;
static pthread_key_t job_key;		/* on workers: the struct worker */
static bool has_job_key;		/* atomic */
static pthread_once_t job_key_once = PTHREAD_ONCE_INIT;

/* --- the ring --------------------------------------------------------------------------------------------------------------- */

static bool ring_put(struct ring *ring, struct job *job)
{
	uint64_t tail = ring->tail;

	if (tail - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == RING)
		return false;
	__atomic_store_n(&ring->slots[tail % RING], job, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->tail, tail + 1, __ATOMIC_SEQ_CST);
	return true;
}

static bool ring_empty(struct ring *ring)
{
	return __atomic_load_n(&ring->head, __ATOMIC_SEQ_CST) == __atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST);
}

static struct job *ring_take(struct ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	struct job *job;

	do {
		if (head == __atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST))
			return NULL;
		job = __atomic_load_n(&ring->slots[head % RING], __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(&ring->head, &head, head + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	return job;
}

/* News for @n workers. */
static void tell_workers(grove_threadpool *pool, int n)
{
	__atomic_fetch_add(&pool->news, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&pool->sleepers, __ATOMIC_SEQ_CST))
		raw(SYS_futex, &pool->news, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);
}

/* --- on the worker's thread ------------------------------------------------------------------------------------------------- */

static bool must_leave(grove_threadpool *pool)
{
	int leave = __atomic_load_n(&pool->leave, __ATOMIC_SEQ_CST);

	while (leave > 0)
		if (__atomic_compare_exchange_n(&pool->leave, &leave, leave - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

/* Wait for news.  False: there were none for a long time. */
static bool wait_for_news(grove_threadpool *pool)
{
	struct timespec linger;
	uint32_t news = __atomic_load_n(&pool->news, __ATOMIC_SEQ_CST);
	long r = 0;

	gr_to_timespec(gr_threadpool_linger, &linger);
	__atomic_fetch_add(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
	if (ring_empty(&pool->ring) && __atomic_load_n(&pool->leave, __ATOMIC_SEQ_CST) <= 0)
		r = raw(SYS_futex, &pool->news, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, news, &linger);
	__atomic_fetch_sub(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
	return r != -ETIMEDOUT;
}

/* NULL: to end */
static struct job *next_job(grove_threadpool *pool)
{
	bool bored = false;

	for (;;) {
		struct job *job;

		if (must_leave(pool))
			return NULL;
		job = ring_take(&pool->ring);
		if (job || bored)
			return job;
		bored = !wait_for_news(pool);
	}
}

static void unwound(void *arg)
{
	struct worker *w = arg;

	w->job->error = ECANCELED;
	gr_post(&w->job->note);
	gr_post(&w->note);
}

static void run_job(struct worker *w, struct job *job)
{
	int queued = QUEUED;

	if (__atomic_compare_exchange_n(&job->state, &queued, RUNNING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		w->job = job;
		pthread_cleanup_push(unwound, w);
		job->value = job->fn(job->arg);
		pthread_cleanup_pop(0);
		w->job = NULL;
	}
	gr_post(&job->note);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct job *job;

	raw(SYS_prctl, PR_SET_NAME, "grove-native");
	if (has_job_key)
		pthread_setspecific(job_key, w);
	while ((job = next_job(w->pool)))
		run_job(w, job);
	gr_post(&w->note);		/* from here on neither worker nor pool are ours */
	return NULL;
}

void gr_job_fail(int err)
{
	struct worker *w = __atomic_load_n(&has_job_key, __ATOMIC_ACQUIRE) ? pthread_getspecific(job_key) : NULL;

	if (w && w->job)
		w->job->error = err;
}

/* --- threads ---------------------------------------------------------------------------------------------------------------- */

/* Is there work for one more, and may there be one? */
static bool wants_worker(const grove_threadpool *pool, size_t jobs)
{
	int leave = __atomic_load_n(&pool->leave, __ATOMIC_RELAXED);

	return jobs && pool->threads < pool->max && jobs + (leave > 0 ? (size_t)leave : 0) > pool->threads;
}

/* Are there jobs that no worker has taken? */
static bool has_queued(grove_threadpool *pool)
{
	return !gr_list_empty(&pool->waiting) || !ring_empty(&pool->ring);
}

static void free_worker(struct gr_soon *job)
{
	free(gr_container(job, struct worker, gone));
}

static void worker_ended(struct gr_note *note)
{
	struct worker *w = gr_container(note, struct worker, note);
	grove_threadpool *pool = w->pool;

	pool->threads--;
	gr_soon(&w->gone);
	if (!pool->threads)		/* some may have ended without being told to */
		__atomic_store_n(&pool->leave, 0, __ATOMIC_SEQ_CST);
	if (has_queued(pool) && wants_worker(pool, pool->unfinished)) {
		if (gr_list_empty(&pool->grows.link))
			gr_soon(&pool->grows);
	} else if (!pool->threads && !pool->unfinished) {
		gr_give_all(&pool->enders, 0);
	}
}

/* Detached; no signal is for it but those of its own faults. */
static int make_attr(pthread_attr_t *attr)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
	sigset_t mask;
	int err = pthread_attr_init(attr);

	if (err)
		return err;
	pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&mask);
	for (size_t i = 0; i < GR_LENGTH(faults); i++)
		sigdelset(&mask, faults[i]);
	pthread_attr_setsigmask_np(attr, &mask);
	return 0;
}

static int start_worker(struct worker *w)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err = make_attr(&attr);

	if (err)
		return err;
	err = gr_native_thread(&thread, &attr, work, w);
	pthread_attr_destroy(&attr);
	return err;
}

/* Outside.  0, or an errno value. */
static int add_worker(grove_threadpool *pool)
{
	struct worker *w = malloc(sizeof(*w));
	int err;

	if (!w)
		return ENOMEM;
	*w = (struct worker){ .note.fn = worker_ended, .gone.fn = free_worker, .pool = pool };
	pool->threads++;
	err = start_worker(w);
	if (!err)
		return 0;
	pool->threads--;
	free(w);
	return err;
}

/* --- jobs ------------------------------------------------------------------------------------------------------------------- */

static void feed(grove_threadpool *pool)
{
	int n = 0;

	while (!gr_list_empty(&pool->waiting)) {
		struct job *job = gr_list_first(&pool->waiting, struct job, waits);

		if (!ring_put(&pool->ring, job))
			break;
		gr_list_del(&job->waits);
		n++;
	}
	if (n)
		tell_workers(pool, n);
}

/* Inside: all workers are to end once they are without a job. */
static void dismiss(grove_threadpool *pool)
{
	__atomic_store_n(&pool->leave, (int)pool->threads, __ATOMIC_SEQ_CST);
	tell_workers(pool, INT_MAX);
}

/* Inside */
static void one_less(grove_threadpool *pool)
{
	if (--pool->unfinished)
		return;
	gr_object_set_ready(&pool->object, true);
	gr_give_all(&pool->joiners, 0);
	if (!pool->threads)
		gr_give_all(&pool->enders, 0);
	else if (!gr_list_empty(&pool->enders))
		dismiss(pool);			/* those that came meanwhile, too */
}

/* Inside: no worker has it, or will have it again. */
static void job_over(struct job *job, int error, void *value)
{
	gr_list_del(&job->in);
	gr_list_del(&job->waits);
	gr_future_finish(&job->future, error, value);
	gr_future_drop_inside(&job->future);
	one_less(job->pool);
}

static void job_done(struct gr_note *note)
{
	struct job *job = gr_container(note, struct job, note);
	grove_threadpool *pool = job->pool;

	gr_carrier()->outside--;
	job_over(job, job->error, job->value);
	feed(pool);
}

/* Nobody wants it any more: a worker that takes it passes it on unrun. */
static void job_cancelled(struct grove_future *f)
{
	struct job *job = gr_container(f, struct job, future);
	int queued = QUEUED;

	__atomic_compare_exchange_n(&job->state, &queued, CANCELLED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	if (gr_list_empty(&job->waits))
		return;
	gr_carrier()->outside--;
	job_over(job, ECANCELED, NULL);
}

/* Outside: a job more is on its way; is there a thread for it?  False: errno says why not. */
static bool make_room(grove_threadpool *pool)
{
	int err;

	pool->unfinished++;		/* the pool is not free()d while a thread is being made */
	gr_object_set_ready(&pool->object, false);
	err = wants_worker(pool, pool->unfinished) ? add_worker(pool) : 0;
	if (!err || pool->threads)
		return true;
	gr_enter();
	one_less(pool);
	gr_leave_quietly();
	errno = err;
	return false;
}

static struct job *submit(grove_threadpool *pool, grove_fn *fn, void *arg)
{
	struct job *job = malloc(sizeof(*job));

	if (!job)
		return NULL;
	if (!make_room(pool)) {
		free(job);
		return NULL;
	}
	*job = (struct job){ .note.fn = job_done, .pool = pool, .fn = fn, .arg = arg };
	gr_future_init(&job->future);
	job->future.on_cancel = job_cancelled;
	job->future.refs = 2;		/* the caller's, and that of the job until it is over */
	gr_enter();
	gr_carrier()->outside++;
	gr_list_push(&pool->jobs, &job->in);
	gr_list_push(&pool->waiting, &job->waits);
	feed(pool);
	gr_leave_quietly();
	return job;
}

/* Inside: jobs no worker has taken are over. */
static void take_back(grove_threadpool *pool, int error)
{
	struct job *job;

	while (!gr_list_empty(&pool->waiting)) {
		gr_carrier()->outside--;
		job_over(gr_list_first(&pool->waiting, struct job, waits), error, NULL);
	}
	while ((job = ring_take(&pool->ring))) {
		gr_carrier()->outside--;
		job_over(job, error, NULL);
	}
}

/* The last worker has ended with jobs left. */
static void grow(struct gr_soon *soon)
{
	grove_threadpool *pool = gr_container(soon, grove_threadpool, grows);
	int err = wants_worker(pool, pool->unfinished) ? add_worker(pool) : 0;

	gr_enter();
	if (err && !pool->threads)
		take_back(pool, err);
	gr_leave_quietly();
}

/* --- pools ------------------------------------------------------------------------------------------------------------------ */

static void make_key(void)
{
	__atomic_store_n(&has_job_key, pthread_key_create(&job_key, NULL) == 0, __ATOMIC_RELEASE);
}

static grove_threadpool *pool_new(unsigned max)
{
	grove_threadpool *pool = aligned_alloc(64, (sizeof(*pool) + 63) & ~(size_t)63);

	if (!pool)
		return NULL;
	pthread_once(&job_key_once, make_key);
	*pool = (grove_threadpool){ .max = max, .grows.fn = grow };
	gr_object_init(&pool->object, GR_THREADPOOL, true);
	gr_list_init(&pool->jobs);
	gr_list_init(&pool->waiting);
	gr_list_init(&pool->joiners);
	gr_list_init(&pool->enders);
	gr_list_init(&pool->grows.link);
	gr_list_push(&pools, &pool->all);
	return pool;
}

grove_threadpool *grove_threadpool_new(unsigned max)
{
	GR_ANYWHERE((grove_threadpool *)NULL, grove_threadpool_new, max);
	return max && max <= MAX_THREADS ? pool_new(max) : gr_fails_null(EINVAL);
}

grove_threadpool *grove_threadpool_default(void)
{
	grove_threadpool *pool;
	long processors;

	GR_ANYWHERE((grove_threadpool *)NULL, grove_threadpool_default);
	if (default_pool)
		return default_pool;
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	pool = pool_new(processors > 0 && processors < DEFAULT_MAX - 4 ? (unsigned)processors + 4 : DEFAULT_MAX);
	if (default_pool)		/* somebody was faster while malloc() waited for a lock */
		grove_threadpool_free(pool);
	else
		default_pool = pool;
	return default_pool;
}

static void wait_for_threads(grove_threadpool *pool)
{
	struct gr_scope shield GR_SHIELD;

	gr_enter();
	gr_scope_enter(&shield);
	gr_carrier()->outside++;
	dismiss(pool);
	while (pool->threads)
		gr_wait_turn(&pool->enders, "thread pool", pool, GR_NEVER, NULL);
	gr_carrier()->outside--;
	gr_leave_quietly();
}

int grove_threadpool_free(grove_threadpool *pool)
{
	GR_ANYWHERE(-1, grove_threadpool_free, pool);
	if (!pool)
		return 0;
	if (!gr_is(pool, GR_THREADPOOL))
		return gr_fails(EINVAL);
	if (pool->unfinished || !gr_list_empty(&pool->joiners) || !gr_list_empty(&pool->enders) ||
	    !gr_list_empty(&pool->object.links))
		return gr_fails(EBUSY);
	pool->object.type = 0;		/* nobody comes in any more */
	if (pool == default_pool)
		default_pool = NULL;
	wait_for_threads(pool);
	gr_enter();
	gr_list_del(&pool->grows.link);
	gr_list_del(&pool->all);
	gr_leave_quietly();
	free(pool);
	return 0;
}

/* --- the public rest -------------------------------------------------------------------------------------------------------- */

grove_future *grove_threadpool_spawn(grove_threadpool *pool, grove_fn *fn, void *arg)
{
	struct job *job;

	GR_ANYWHERE((grove_future *)NULL, grove_threadpool_spawn, pool, fn, arg);
	if (!gr_is(pool, GR_THREADPOOL) || !fn)
		return gr_fails_null(EINVAL);
	job = submit(pool, fn, arg);
	return job ? &job->future : NULL;
}

static void released(struct job **job)
{
	if (*job)
		grove_future_release(&(*job)->future);
}

int grove_threadpool_apply(grove_threadpool *pool, grove_fn *fn, void *arg, void **ret_value, int64_t timeout)
{
	struct job *job __attribute__((cleanup(released))) = NULL;
	gr_time deadline;

	GR_ANYWHERE(-1, grove_threadpool_apply, pool, fn, arg, ret_value, timeout);
	if (!gr_is(pool, GR_THREADPOOL) || !fn || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (timeout == 0)
		return gr_fails(EAGAIN);
	job = submit(pool, fn, arg);
	return job ? gr_await(&job->future, ret_value, deadline, true) : -1;
}

int grove_to_thread(grove_fn *fn, void *arg, void **ret_value, int64_t timeout)
{
	grove_threadpool *pool = grove_threadpool_default();

	return pool ? grove_threadpool_apply(pool, fn, arg, ret_value, timeout) : -1;
}

/* The jobs of a map: taken back at its end, as far as they have not begun. */
struct batch {
	void **futures;
	size_t n;
};

static void end_batch(struct batch *b)
{
	int was = errno;

	for (size_t i = 0; i < b->n; i++) {
		grove_future_cancel(b->futures[i]);
		grove_future_release(b->futures[i]);
	}
	free(b->futures);
	errno = was;
}

int grove_threadpool_map(grove_threadpool *pool, grove_fn *fn, void *const *args, size_t n, void **ret_values, int64_t timeout)
{
	struct batch b __attribute__((cleanup(end_batch))) = { .n = 0 };

	GR_ANYWHERE(-1, grove_threadpool_map, pool, fn, args, n, ret_values, timeout);
	if (!gr_is(pool, GR_THREADPOOL) || !fn || (n && !args) || timeout < 0)
		return gr_fails(EINVAL);
	if (timeout == 0 && n)
		return gr_fails(EAGAIN);
	b.futures = calloc(n ? n : 1, sizeof(*b.futures));
	if (!b.futures)
		return -1;
	for (size_t i = 0; i < n; i++, b.n++) {
		b.futures[i] = submit(pool, fn, args[i]);
		if (!b.futures[i])
			return -1;
	}
	return grove_gather(b.futures, n, ret_values, NULL, timeout, 0);
}

int grove_threadpool_join(grove_threadpool *pool, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_threadpool_join, pool, timeout);
	if (!gr_is(pool, GR_THREADPOOL) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(pool->unfinished ? gr_wait_turn(&pool->joiners, "thread pool", pool, deadline, NULL) : 0);
}

static void count_out(bool *counted)
{
	gr_carrier()->outside -= *counted;
}

int grove_threadpool_kill(grove_threadpool *pool, int64_t timeout)
{
	bool counted __attribute__((cleanup(count_out))) = false;
	gr_time deadline;
	int r = 0;

	GR_ANYWHERE(-1, grove_threadpool_kill, pool, timeout);
	if (!gr_is(pool, GR_THREADPOOL) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	take_back(pool, ECANCELED);
	dismiss(pool);
	if (timeout && (pool->threads || pool->unfinished)) {
		counted = true;		/* threads are going to tell us that they end */
		gr_carrier()->outside++;
		r = gr_wait_turn(&pool->enders, "thread pool", pool, deadline, NULL);
	}
	return gr_leave(r);
}

unsigned grove_threadpool_size(const grove_threadpool *pool)
{
	return gr_is(pool, GR_THREADPOOL) ? pool->threads : 0;
}

unsigned grove_threadpool_maxsize(const grove_threadpool *pool)
{
	return gr_is(pool, GR_THREADPOOL) ? pool->max : 0;
}

size_t grove_threadpool_count(const grove_threadpool *pool)
{
	return gr_is(pool, GR_THREADPOOL) ? pool->unfinished : 0;
}

int grove_threadpool_set_maxsize(grove_threadpool *pool, unsigned max)
{
	GR_ANYWHERE(-1, grove_threadpool_set_maxsize, pool, max);
	if (!gr_is(pool, GR_THREADPOOL) || !max || max > MAX_THREADS)
		return gr_fails(EINVAL);
	gr_enter();
	pool->max = max;
	__atomic_store_n(&pool->leave, pool->threads > max ? (int)(pool->threads - max) : 0, __ATOMIC_SEQ_CST);
	tell_workers(pool, INT_MAX);
	gr_leave_quietly();
	for (size_t i = pool->threads; i < max && wants_worker(pool, pool->unfinished); i++)
		if (add_worker(pool))
			break;
	return 0;
}

/* --- fork ------------------------------------------------------------------------------------------------------------------- */

static void forget_threads(grove_threadpool *pool)
{
	pool->threads = pool->leave = 0;
	pool->sleepers = 0;
	pool->ring.head = pool->ring.tail = 0;
	gr_list_init(&pool->grows.link);
	while (!gr_list_empty(&pool->jobs))
		job_over(gr_list_first(&pool->jobs, struct job, in), ECANCELED, NULL);
	if (pool->unfinished) {		/* announced by greenlets that are not there */
		pool->unfinished = 1;
		one_less(pool);
	}
}

void gr_threadpool_fork_child(void)
{
	gr_list_each(it, &pools)
		forget_threads(gr_container(it, grove_threadpool, all));
}
