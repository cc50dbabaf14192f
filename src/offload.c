/*
 * offload.c - the threads, the calls they make, and breaking one off
 *
 * All lists belong to the carrier; a worker sees only its own record.  One pool per process: with more carriers a call goes back to the
 * carrier of its greenlet, so each worker notes whose eventfd to write to.
 *
 *	worker's state:  JOB --done--> IDLE --carrier gives one--> JOB          IDLE --carrier--> END        IDLE --bored--> ENDING
 *
 * A worker that is bored may leave only when the carrier has fetched the last result (job is NULL), so a thread that is to be
 * interrupted is there.  Its memory is unmapped by the carrier once the kernel has cleared the tid.
 */
#include "offload.h"
#include "arch/x86_64/arch.h"
#include "clock.h"
#include "hub.h"
#include "list.h"
#include "raw.h"
#include "sched.h"
#include "signal.h"
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define WORKER_SIZE	(32u * 1024)	/* stack and record; three pages of it are touched */

/* On the stack of the greenlet that is parked for it. */
struct job {
	long call[7];			/* number, arguments */
	long ret;
	int raised;			/* SIGPIPE or SIGXFSZ, or 0 */
	uint8_t kind;			/* WAIT or DISK */
	bool deaf;			/* nothing breaks it off, although it may take for ever */
	bool exact;			/* EINTR is for the caller to see: the kernel would not make the call again */
	bool done;			/* set by the carrier */
	bool in_line;			/* the queue is full: it waits for a place there */
	bool starved;			/* in the queue because no thread can be made */
	struct gr_greenlet *g;
	struct worker *w;		/* NULL while in the queue */
	struct gr_list link;		/* in pool.queue[kind] or pool.line[kind] */
};

enum { WAIT, DISK };			/* signals break it off, it may take for ever; they do not, and it ends by itself */
enum { IDLE, JOB, END, ENDING };

/* At the top of its stack. */
struct worker {
	struct gr_list link;		/* in pool.idle, busy or ending */
	struct worker *next;		/* in pool.done */
	struct job *job;
	uint32_t state;			/* futex: the worker waits for it to leave IDLE */
	int tid;			/* cleared by the kernel when the thread is gone */
	int cancelled;
	int kick_fd;
	unsigned generation;
	uintptr_t tls[8];		/* what fs: points at: [0] and [2] itself, so that nobody takes us for a greenlet; [3] who we are; [5] stack canary */
};

static struct pool {
	struct gr_list idle;		/* the latest first, so that the others get bored */
	struct gr_list busy, ending;
	struct gr_list queue[2];	/* jobs of each kind without a thread: as many as there may be, */
	struct gr_list line[2];		/* and those for which there is no room */
	unsigned queued[2];
	unsigned running[2];		/* those with one */
	struct worker *done;		/* pushed by workers, taken as a whole by the carrier */
	unsigned threads, idles;
	unsigned generation;		/* of credentials */
	struct gr_offload_stats stats;
	bool started;
} pool = { .idle = { &pool.idle, &pool.idle }, .busy = { &pool.busy, &pool.busy }, .ending = { &pool.ending, &pool.ending },
	   .queue = { { &pool.queue[WAIT], &pool.queue[WAIT] }, { &pool.queue[DISK], &pool.queue[DISK] } },
	   .line = { { &pool.line[WAIT], &pool.line[WAIT] }, { &pool.line[DISK], &pool.line[DISK] } } };

unsigned gr_offload_max[2] = { GR_OFFLOAD_WAITS, GR_OFFLOAD_DISK };
unsigned gr_offload_queue_max = GR_OFFLOAD_QUEUE;
gr_time gr_offload_linger = GR_SEC(2);

/* --- on the worker's thread -------------------------------------------------------------------------------------------------------- */

/* Signals the call raised for whoever made it wait here, blocked; take them out and pass them on. */
static int raised_signal(long ret)
{
	uint64_t set = GR_SIGBIT(SIGPIPE) | GR_SIGBIT(SIGXFSZ);
	struct timespec none = { 0, 0 };
	long sig;

	if (ret != -EPIPE && ret != -EFBIG)
		return 0;
	sig = raw(SYS_rt_sigtimedwait, &set, 0, &none, sizeof(set));
	return sig > 0 ? (int)sig : 0;
}

static bool interrupted(long ret)
{
	return ret == -EINTR || ret == -GR_ERESTART;
}

static void make_call(struct worker *w, struct job *job)
{
	do		/* interrupted without being cancelled: the process was stopped, or the signal was meant for the job before */
		job->ret = gr_raw_interruptible(&w->cancelled, job->call);
	while (interrupted(job->ret) && !__atomic_load_n(&w->cancelled, __ATOMIC_ACQUIRE));
	job->raised = raised_signal(job->ret);
}

static void tell_carrier(struct worker *w)
{
	struct worker *first = __atomic_load_n(&pool.done, __ATOMIC_RELAXED);
	int kick_fd = w->kick_fd;
	uint64_t one = 1;

	__atomic_store_n(&w->state, IDLE, __ATOMIC_RELEASE);
	do
		w->next = first;
	while (!__atomic_compare_exchange_n(&pool.done, &first, w, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (!first)			/* the others' results go with the first one's */
		raw(SYS_write, kick_fd, &one, sizeof(one));
}

/* True: there is a job.  False: to end. */
static bool next_job(struct worker *w)
{
	struct timespec linger;
	uint32_t state;

	gr_to_timespec(gr_offload_linger, &linger);
	while ((state = __atomic_load_n(&w->state, __ATOMIC_ACQUIRE)) == IDLE) {
		long r = raw(SYS_futex, &w->state, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, IDLE, &linger);

		if (r == -ETIMEDOUT && !__atomic_load_n(&w->job, __ATOMIC_SEQ_CST) &&
		    __atomic_compare_exchange_n(&w->state, &(uint32_t){ IDLE }, ENDING, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return false;
	}
	return state == JOB;
}

static void work(void *arg)
{
	uint64_t mask = ~(GR_SIGBIT(GR_SIG_INTERRUPT) | GR_SIGBIT(SIGSYS));
	struct worker *w = arg;

	raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, sizeof(mask));
	raw(SYS_prctl, PR_SET_NAME, "grove-offload");
	do {
		make_call(w, w->job);
		tell_carrier(w);
	} while (next_job(w));
}

/* --- on the carrier: threads --------------------------------------------------------------------------------------------------------- */

static void *memory_of(struct worker *w)
{
	return (char *)w + sizeof(*w) - WORKER_SIZE;
}

static void no_longer_idle(struct worker *w, struct gr_list *to)
{
	gr_list_del(&w->link);
	gr_list_push(to, &w->link);
	pool.idles--;
	if (to == &pool.ending)
		pool.threads--;
}

/* Unmap what is left of threads that have ended; the longest idle are last. */
static void bury(void)
{
	while (!gr_list_empty(&pool.idle)) {
		struct worker *w = gr_container(pool.idle.prev, struct worker, link);

		if (__atomic_load_n(&w->state, __ATOMIC_ACQUIRE) != ENDING)
			break;
		no_longer_idle(w, &pool.ending);
	}
	gr_list_each_safe(it, &pool.ending) {
		struct worker *w = gr_container(it, struct worker, link);

		if (__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE))
			continue;
		gr_list_del(it);
		raw(SYS_munmap, memory_of(w), WORKER_SIZE);
	}
}

/* Once per process: the action is inherited by fork children, and the threads share it. */
static void start_once(void)
{
	if (!pool.started)
		gr_signal_own_action();
	pool.started = true;
}

/* Only an offload thread's dummy block has this there; in glibc's it is two small numbers. */
bool gr_offload_is_thread(void)
{
	uintptr_t word;

	__asm__ volatile("movq %%fs:0x18, %0" : "=r"(word));
	return word == (uintptr_t)&pool;
}

static long new_worker(struct job *job)
{
	struct worker *w;
	long r = raw(SYS_mmap, 0, WORKER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (raw_failed(r))
		return r;
	start_once();
	w = (struct worker *)(r + WORKER_SIZE - sizeof(*w));
	w->job = job;
	w->state = JOB;
	w->kick_fd = gr_hub_kick_fd();
	w->generation = pool.generation;
	w->tls[0] = w->tls[2] = (uintptr_t)w->tls;
	w->tls[3] = (uintptr_t)&pool;
	r = gr_raw_thread(w, w->tls, &w->tid, work, w);
	if (raw_failed(r)) {
		raw(SYS_munmap, memory_of(w), WORKER_SIZE);
		return r;
	}
	gr_list_push(&pool.busy, &w->link);
	pool.running[job->kind]++;
	job->w = w;
	if (++pool.threads > pool.stats.at_most)
		pool.stats.at_most = pool.threads;
	return 0;
}

/* From IDLE to @state, unless it is just leaving. */
static bool order(struct worker *w, uint32_t state)
{
	if (!__atomic_compare_exchange_n(&w->state, &(uint32_t){ IDLE }, state, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	raw(SYS_futex, &w->state, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	return true;
}

static bool give_to_idle(struct job *job)
{
	while (!gr_list_empty(&pool.idle)) {
		struct worker *w = gr_list_first(&pool.idle, struct worker, link);

		__atomic_store_n(&w->job, job, __ATOMIC_SEQ_CST);
		w->cancelled = 0;
		w->kick_fd = gr_hub_kick_fd();
		job->w = w;
		if (order(w, JOB)) {
			no_longer_idle(w, &pool.busy);
			pool.running[job->kind]++;
			return true;
		}
		no_longer_idle(w, &pool.ending);
	}
	return false;
}

/* 0: a thread makes the call.  -EBUSY: it has to wait for one.  -errno: there is none for it, and none can be made. */
static long start(struct job *job)
{
	job->w = NULL;
	bury();
	if (pool.running[job->kind] >= gr_offload_max[job->kind])
		return -EBUSY;
	return give_to_idle(job) ? 0 : new_worker(job);
}

static void dismiss(struct worker *w)
{
	order(w, END);
	no_longer_idle(w, &pool.ending);
}

/* --- on the carrier: the queues ---------------------------------------------------------------------------------------------------------- */

static void enqueue(struct job *job)
{
	job->in_line = pool.queued[job->kind] >= gr_offload_queue_max;
	gr_list_push(job->in_line ? &pool.line[job->kind] : &pool.queue[job->kind], &job->link);
	if (!job->in_line && ++pool.queued[job->kind] > pool.stats.queued_at_most)
		pool.stats.queued_at_most = pool.queued[job->kind];
}

/* There is room for the first one in line. */
static void dequeue(struct job *job)
{
	gr_list_del(&job->link);
	if (job->in_line)
		return;
	pool.queued[job->kind]--;
	if (!gr_list_empty(&pool.line[job->kind])) {
		struct job *next = gr_list_first(&pool.line[job->kind], struct job, link);

		gr_list_del(&next->link);
		enqueue(next);
	}
}

/* --- on the carrier: calls ------------------------------------------------------------------------------------------------------------- */

static void finish_job(struct job *job)
{
	job->done = true;
	gr_wake(job->g, 0);
}

/* Break it off.  Its memory is on our stack, so its end must be waited for all the same; calls that cannot be broken off take their time. */
static void cancel(struct job *job)
{
	struct gr_carrier *c = gr_carrier();

	if (!job->w) {
		dequeue(job);
		job->ret = -GR_ERESTART;
		job->done = true;
		return;
	}
	__atomic_store_n(&job->w->cancelled, 1, __ATOMIC_SEQ_CST);
	raw(SYS_tgkill, c->pid, job->w->tid, GR_SIG_INTERRUPT);
}

static void serve(struct gr_list *queue);

static gr_time patience(const struct job *job)
{
	if (job->w)
		return GR_NEVER;
	if (job->starved)
		return GR_OFFLOAD_AGAIN;
	return job->kind == WAIT && gr_offload_can_try(job->call) ? GR_OFFLOAD_PATIENCE : GR_NEVER;
}

/* What broke it off (-EINTR, -ETIMEDOUT, -GR_EBROKEN), or 0.  Where no thread can be made there may be one later: nobody tells us when. */
static int wait_for(struct job *job, gr_time deadline)
{
	int broken = 0;

	while (!job->done) {
		bool may = !broken && job->kind == WAIT && !job->deaf;
		gr_time until = may ? deadline : GR_NEVER, again = gr_deadline(patience(job));
		int r = gr_park("offload", again < until ? again : until, may ? GR_PARK_INTR : 0);

		if (r == -ETIMEDOUT && again < until) {
			serve(&pool.queue[job->kind]);
			if (!job->w && !job->done && gr_offload_try(job->call, &job->ret)) {
				dequeue(job);
				job->done = true;
			}
		} else if (r < 0 && may && !job->done) {
			broken = r;
			cancel(job);
		}
	}
	return broken;
}

static void raise_for(struct gr_greenlet *g, int sig)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = SI_USER;		/* what the kernel says of signals it sends on behalf of the caller */
	info.si_pid = gr_carrier()->pid;
	info.si_uid = (uid_t)raw(SYS_getuid);
	gr_signal_send(g, sig, &info);
}

/* There is no thread for a call that ends by itself, or should, nor any at work after which it could be made: others may be held up by it. */
static bool is_for_us(const struct job *job, long why)
{
	return why < 0 && why != -EBUSY && (job->kind == DISK || job->exact) && !pool.running[job->kind];
}

static long here(const struct job *job)
{
	const long *a = job->call;

	return raw_syscall6(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
}

/* What the others wait for may be what this one was to bring. */
static void tell_full(void)
{
	static bool told;

	if (!told)
		gr_warn("as many calls wait in the kernel as there may be threads for them (--offload-max): others have to wait for one of these "
			"to end", 0);
	told = true;
}

static long offload(gr_time deadline, struct job *job)
{
	struct gr_carrier *c = gr_carrier();
	long r = 0;
	int broken;

	job->g = c->current;
	gr_list_init(&job->link);
	if (!c->hub)
		r = gr_hub_start();
	if (r == 0)
		r = start(job);
	if (is_for_us(job, r))
		return here(job);
	pool.stats.calls++;
	if (r < 0) {
		job->starved = r != -EBUSY;
		if (r == -EBUSY && job->kind == WAIT)
			tell_full();
		enqueue(job);
	}
	broken = wait_for(job, deadline);
	if (job->raised)
		raise_for(job->g, job->raised);
	if (GR_UNLIKELY(job->ret == -GR_ETRAPPED))
		return here(job);		/* a filter's SIGSYS comes at once, and is for the greenlet's handler */
	if (!interrupted(job->ret) || job->kind == DISK)
		return job->ret;
	if (broken == -ETIMEDOUT || broken == -GR_EBROKEN)
		return broken;
	return job->exact ? job->ret : -GR_ERESTART;
}

long gr_offload_until(gr_time deadline, long nr, long a, long b, long c, long d, long e, long f)
{
	struct job job = { .call = { nr, a, b, c, d, e, f } };

	return offload(deadline, &job);
}

long gr_offload(long nr, long a, long b, long c, long d, long e, long f)
{
	return gr_offload_until(GR_NEVER, nr, a, b, c, d, e, f);
}

long gr_offload_nointr(long nr, long a, long b, long c, long d, long e, long f)
{
	struct job job = { .call = { nr, a, b, c, d, e, f }, .kind = DISK };

	return offload(GR_NEVER, &job);
}

long gr_offload_exact(long nr, long a, long b, long c, long d, long e, long f)
{
	struct job job = { .call = { nr, a, b, c, d, e, f }, .exact = true };

	return offload(GR_NEVER, &job);
}

long gr_offload_deaf(long nr, long a, long b, long c, long d, long e, long f)
{
	struct job job = { .call = { nr, a, b, c, d, e, f }, .exact = true, .deaf = true };

	return offload(GR_NEVER, &job);
}

/* --- results ----------------------------------------------------------------------------------------------------------------------------- */

static void now_idle(struct worker *w)
{
	__atomic_store_n(&w->job, NULL, __ATOMIC_SEQ_CST);
	gr_list_del(&w->link);
	gr_list_push_front(&pool.idle, &w->link);
	pool.idles++;
	if (w->generation != pool.generation)
		dismiss(w);
}

/* Threads have become free, or can be made again. */
static void serve(struct gr_list *queue)
{
	while (!gr_list_empty(queue)) {
		struct job *job = gr_list_first(queue, struct job, link);
		long r = start(job);
		bool ours = is_for_us(job, r);

		if (r < 0 && !ours)
			return;
		dequeue(job);
		if (ours) {
			job->ret = here(job);
			finish_job(job);
		}
	}
}

bool gr_offload_came(void)
{
	return __atomic_load_n(&pool.done, __ATOMIC_RELAXED) != NULL;
}

bool gr_offload_busy(void)
{
	return !gr_list_empty(&pool.busy);
}

void gr_offload_done(void)
{
	struct worker *w = __atomic_exchange_n(&pool.done, NULL, __ATOMIC_ACQUIRE), *first = NULL, *next;

	for (; w; w = next) {		/* latest first: turn it round */
		next = w->next;
		w->next = first;
		first = w;
	}
	for (w = first; w; w = next) {
		struct job *job = w->job;

		next = w->next;
		pool.running[job->kind]--;
		now_idle(w);
		finish_job(job);
	}
	serve(&pool.queue[DISK]);
	serve(&pool.queue[WAIT]);
}

void gr_offload_retire(void)
{
	pool.generation++;
	gr_list_each_safe(it, &pool.idle)
		dismiss(gr_container(it, struct worker, link));
	bury();
}

bool gr_offload_end_idle(void)
{
	bool any = !gr_list_empty(&pool.idle) || !gr_list_empty(&pool.ending);
	int tid;

	gr_offload_retire();
	gr_list_each(it, &pool.ending) {
		struct worker *w = gr_container(it, struct worker, link);

		while ((tid = __atomic_load_n(&w->tid, __ATOMIC_ACQUIRE)))
			raw(SYS_futex, &w->tid, FUTEX_WAIT, tid, 0);	/* the kernel wakes it when it clears it */
	}
	bury();
	return any;
}

static void unmap_all(struct gr_list *list)
{
	gr_list_each_safe(it, list)
		raw(SYS_munmap, memory_of(gr_container(it, struct worker, link)), WORKER_SIZE);
	gr_list_init(list);
}

void gr_offload_reset(void)
{
	unmap_all(&pool.idle);
	unmap_all(&pool.busy);
	unmap_all(&pool.ending);
	gr_list_init(&pool.queue[WAIT]);
	gr_list_init(&pool.queue[DISK]);
	gr_list_init(&pool.line[WAIT]);
	gr_list_init(&pool.line[DISK]);
	pool.queued[WAIT] = pool.queued[DISK] = 0;
	pool.running[WAIT] = pool.running[DISK] = 0;
	pool.done = NULL;
	pool.threads = pool.idles = 0;
	pool.stats = (struct gr_offload_stats){ 0 };
}

void gr_offload_get_stats(struct gr_offload_stats *ret_stats)
{
	bury();
	*ret_stats = pool.stats;
	ret_stats->threads = pool.threads;
	ret_stats->idle = pool.idles;
	ret_stats->queued = pool.queued[WAIT] + pool.queued[DISK];
}

/* GROVE_OFFLOAD_MAX=WAITS[,DISK] */
void gr_offload_start(char **env)
{
	static const char name[] = "GROVE_OFFLOAD_MAX=";

	for (; env && *env; env++) {
		const char *at = *env;

		for (size_t i = 0; i < sizeof(name) - 1 && at; i++)
			at = at[i] == name[i] ? at : NULL;
		at = at ? at + sizeof(name) - 1 : NULL;
		for (int kind = WAIT; at && kind <= DISK; kind++) {
			unsigned n = 0;

			while (*at >= '0' && *at <= '9' && n < GR_OFFLOAD_MOST)
				n = n * 10 + (unsigned)(*at++ - '0');
			if (n && n <= GR_OFFLOAD_MOST)
				gr_offload_max[kind] = n;
			at = *at == ',' ? at + 1 : NULL;
		}
	}
}
