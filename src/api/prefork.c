/*
 * prefork.c - worker processes and the master that looks after them
 *
 *	DUE --fork--> RUNNING --ends by itself: status 0--> DONE       else --> DUE, maybe later
 *	RUNNING --SIGTERM, .at: then SIGKILL--> STOPPING --ends--> DONE, or DUE where it is only to be started anew
 *
 * One greenlet, the caller of grove_master_run(), does it all: it looks what is due, and waits for the end of a child, an order,
 * or time. It also is the greenlet that forks, so in a program's main() workers have its stack.
 */
#include "api.h"
#include "../clock.h"
#include <grove/hub.h>
#include <grove/prefork.h>
#include <grove/timeout.h>
#include <grove/wait.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE		GR_SEC(30)
#define MIN_DELAY	GR_MS(100)
#define MAX_DELAY	GR_SEC(10)
#define QUICK		GR_SEC(1)
#define WORKERS_MAX	65536u

enum state { DUE, RUNNING, STOPPING, DONE };

struct worker {
	enum state state;
	int pid;			/* 0: none */
	grove_child *child;
	gr_time started;
	gr_time at;			/* when DUE: to be started; when STOPPING: to be killed */
	int64_t delay;			/* before the next start, if it dies at once again */
	unsigned quick;			/* how often in a row it has died at once */
};

struct grove_master {
	struct gr_object object;	/* GR_PREFORK; ready: there is an order */
	struct grove_prefork_attr attr;
	grove_worker_fn *fn;
	void *arg;
	unsigned n;
	unsigned roll;			/* the worker that is being started anew; n: none is */
	bool renewed;			/* it has a successor */
	bool running, stopping, roll_wanted;
	gr_time kill_at;		/* while stopping */
	int error;			/* why all were stopped */
	struct grove_prefork_result result;
	struct worker worker[];
};

static grove_master *signalled;		/* who sees to the signals of this process */
static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

/* --- the worker's side ------------------------------------------------------------------------------------------------------ */

static void end_work(int sig, void *greenlet)
{
	(void)sig;
	grove_kill(greenlet, 0);
}

static void do_nothing(int sig, void *arg)
{
	(void)sig;
	(void)arg;
}

static _Noreturn void leave(int status)
{
	fflush(NULL);
	_exit(status);
}

/* The worker's function was left by pthread_exit(3) or an exception, or its thread was cancelled. */
static void unwound(int *status)
{
	leave(*status);
}

static void forget_children(grove_master *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		grove_child_free(m->worker[i].child);
		m->worker[i] = (struct worker){ .state = DONE };
	}
	m->running = false;
}

/* Ignored when we came, as nohup(1) does it, and shells for what they put into the background: so it stays. */
static bool stays_ignored(int sig)
{
	struct sigaction now;

	return sig != SIGTERM && sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static _Noreturn void be_worker(grove_master *m, unsigned number, int master_pid, const sigset_t *mask)
{
	int status __attribute__((cleanup(unwound))) = 0;
	bool own_signals = !(m->attr.flags & GROVE_KEEP_SIGNALS);

	signalled = NULL;
	gr_enter();
	gr_break_reset(gr_carrier()->current);	/* deadlines and kills of the master are none of ours */
	gr_leave_quietly();
	forget_children(m);
	grove_signal(SIGTERM, end_work, grove_current());
	for (size_t i = 0; own_signals && i < GR_LENGTH(signals); i++)
		if (signals[i] != SIGTERM && !stays_ignored(signals[i]))
			grove_signal(signals[i], do_nothing, NULL);
	pthread_sigmask(SIG_SETMASK, mask, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != master_pid)		/* it died before we had asked to be told */
		leave(0);
	status = m->fn(number, m->arg);
	leave(status);
}

/* --- one worker ------------------------------------------------------------------------------------------------------------- */

static void start_later(grove_master *m, struct worker *w)
{
	w->delay = w->delay ? w->delay * 2 : m->attr.min_delay;
	if (w->delay > m->attr.max_delay)
		w->delay = m->attr.max_delay;
	w->state = DUE;
	w->at = gr_now() + w->delay;
}

/* Signals for the process wait until the child is ready for them. */
static int start_process(grove_master *m, unsigned number)
{
	sigset_t mask, all;
	int pid, master_pid = getpid(), err;

	fflush(NULL);			/* or the child would write it once more */
	sigemptyset(&all);
	for (size_t i = 0; i < GR_LENGTH(signals); i++)
		sigaddset(&all, signals[i]);
	pthread_sigmask(SIG_BLOCK, &all, &mask);
	pid = fork();
	if (pid == 0)
		be_worker(m, number, master_pid, &mask);
	err = errno;
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	errno = err;
	return pid;
}

static void start(grove_master *m, unsigned number)
{
	struct worker *w = &m->worker[number];
	int pid = start_process(m, number);

	if (pid < 0) {
		start_later(m, w);
		return;
	}
	w->child = grove_child_new(pid);
	if (!w->child) {		/* nobody would be told of its end */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		start_later(m, w);
		return;
	}
	w->pid = pid;
	w->state = RUNNING;
	w->started = gr_now();
	w->at = GR_NEVER;
	m->result.started++;
}

static void ask_to_stop(struct worker *w, gr_time kill_at)
{
	if (w->state == DUE)
		w->state = DONE;
	if (w->state == RUNNING) {
		kill(w->pid, SIGTERM);
		w->state = STOPPING;
		w->at = kill_at;
	}
	if (w->state == STOPPING && kill_at < w->at && w->at != GR_NEVER)
		w->at = kill_at;
}

static void kill_worker(grove_master *m, struct worker *w)
{
	kill(w->pid, SIGKILL);
	w->at = GR_NEVER;
	m->result.killed++;
}

static void stop_all(grove_master *m, gr_time kill_at, int error)
{
	m->stopping = true;
	m->roll = m->n;
	m->kill_at = kill_at;
	if (!m->error)
		m->error = error;
	gr_object_set_ready(&m->object, true);
}

static void failed(grove_master *m, struct worker *w)
{
	m->result.failed++;
	if (gr_now() - w->started >= m->attr.quick) {
		w->quick = 0;
		w->delay = 0;
		w->state = DUE;
		w->at = gr_now();
		return;
	}
	start_later(m, w);
	if (++w->quick == m->attr.give_up)
		stop_all(m, gr_now() + m->attr.grace, ECHILD);
}

static void ended(grove_master *m, unsigned number, int status)
{
	struct worker *w = &m->worker[number];
	bool asked = w->state == STOPPING;

	grove_child_free(w->child);
	w->child = NULL;
	w->pid = 0;
	w->at = GR_NEVER;
	if (asked) {
		m->result.stopped++;
		w->state = m->stopping ? DONE : DUE;
		w->at = gr_now();
		return;
	}
	if (number == m->roll && m->renewed)
		m->roll = m->n;			/* the new ones are no good: keep the others */
	if (status == 0) {
		m->result.done++;
		w->state = DONE;
	} else {
		failed(m, w);
	}
}

static void reap(grove_master *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		int status = -1, r;

		if (!m->worker[i].pid)
			continue;
		r = waitpid(m->worker[i].pid, &status, WNOHANG);
		if (r > 0 || (r < 0 && errno == ECHILD))	/* somebody else may have waited for it */
			ended(m, i, status);
	}
}

/* --- the master ------------------------------------------------------------------------------------------------------------- */

/* Workers are started anew in turn.  Returns when to look again. */
static gr_time roll(grove_master *m)
{
	gr_time good_at;

	if (m->roll_wanted) {
		m->roll_wanted = false;
		m->roll = 0;
		m->renewed = false;
	}
	while (m->roll < m->n) {
		struct worker *w = &m->worker[m->roll];

		if (w->state == RUNNING && !m->renewed) {
			ask_to_stop(w, gr_now() + m->attr.grace);
			m->renewed = true;
		}
		if (w->state == STOPPING)
			return GR_NEVER;
		if (w->state == DUE)
			return w->at;
		good_at = w->state == RUNNING ? w->started + m->attr.min_delay : 0;
		if (gr_now() < good_at)
			return good_at;
		m->roll++;
		m->renewed = false;
	}
	return GR_NEVER;
}

/* Do what is due; returns when something will be. */
static gr_time act(grove_master *m)
{
	gr_time next = GR_NEVER, now = gr_now(), again;

	for (unsigned i = 0; i < m->n; i++) {
		struct worker *w = &m->worker[i];

		if (m->stopping)
			ask_to_stop(w, m->kill_at);
		if (w->state == DUE && w->at <= now)
			start(m, i);
		if (w->state == STOPPING && w->at <= now)
			kill_worker(m, w);
		if ((w->state == DUE || w->state == STOPPING) && w->at < next)
			next = w->at;
	}
	again = roll(m);
	return again < next ? again : next;
}

static bool all_done(const grove_master *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->worker[i].state != DONE)
			return false;
	return true;
}

/* 0, or -errno: somebody outside has had enough */
static int wait_until(grove_master *m, void **objects, gr_time when)
{
	gr_time now = gr_now();
	size_t n = 0;
	int r;

	objects[n++] = m;
	for (unsigned i = 0; i < m->n; i++)
		if (m->worker[i].child)
			objects[n++] = m->worker[i].child;
	if (grove_wait(objects, n, 1, when == GR_NEVER ? GROVE_FOREVER : when > now ? when - now : 0, NULL) < 0)
		return -errno;
	gr_enter();
	r = gr_break_now();
	gr_leave_quietly();
	return r;
}

static void look_after(grove_master *m, void **objects)
{
	struct grove_timeout shield = { { 0 } };
	bool shielded = false;

	for (;;) {
		gr_time next;
		int r;

		gr_object_set_ready(&m->object, false);
		next = act(m);
		if (all_done(m))
			break;
		r = wait_until(m, objects, next);
		if (r < 0 && !shielded) {
			stop_all(m, gr_now() + m->attr.grace, -r);
			shielded = grove_shield_start(&shield) == 0;
		}
		reap(m);
	}
	if (shielded)
		grove_timeout_stop(&shield);
}

static void on_signal(int sig, void *arg)
{
	grove_master *m = signalled;

	(void)arg;
	if (!m)
		return;
	if (sig == SIGHUP)
		grove_master_restart(m);
	else
		grove_master_stop(m, m->stopping ? 0 : m->attr.grace);
}

/* --- public ----------------------------------------------------------------------------------------------------------------- */

static bool attr_ok(const struct grove_prefork_attr *a)
{
	return a->size == sizeof(*a) && a->grace >= 0 && a->min_delay >= 0 && a->max_delay >= 0 && a->quick >= 0 &&
	       !(a->flags & ~GROVE_KEEP_SIGNALS);
}

static int64_t or_usual(int64_t value, int64_t usual)
{
	return value ? value : usual;
}

grove_master *grove_master_new(unsigned n, grove_worker_fn *fn, void *arg, const struct grove_prefork_attr *attr)
{
	grove_master *m;

	GR_ANYWHERE((grove_master *)NULL, grove_master_new, n, fn, arg, attr);
	if (!fn || n > WORKERS_MAX || (attr && !attr_ok(attr)))
		return gr_fails_null(EINVAL);
	if (n == 0)
		n = grove_cpu_count();
	m = calloc(1, sizeof(*m) + n * sizeof(m->worker[0]));
	if (!m)
		return NULL;
	if (attr)
		m->attr = *attr;
	m->attr.grace = or_usual(m->attr.grace, GRACE);
	m->attr.min_delay = or_usual(m->attr.min_delay, MIN_DELAY);
	m->attr.max_delay = or_usual(m->attr.max_delay, MAX_DELAY);
	m->attr.quick = or_usual(m->attr.quick, QUICK);
	m->n = n;
	m->fn = fn;
	m->arg = arg;
	gr_object_init(&m->object, GR_PREFORK, false);
	return m;
}

int grove_master_free(grove_master *master)
{
	GR_ANYWHERE(-1, grove_master_free, master);
	if (!master)
		return 0;
	if (!gr_is(master, GR_PREFORK))
		return gr_fails(EINVAL);
	if (master->running || !gr_list_empty(&master->object.links))
		return gr_fails(EBUSY);
	master->object.type = 0;
	free(master);
	return 0;
}

struct handlers {
	grove_master *m;
	struct sigaction was[GR_LENGTH(signals)];
	void **objects;
};

static void take_signals(struct handlers *h)
{
	for (size_t i = 0; i < GR_LENGTH(signals); i++) {
		sigaction(signals[i], NULL, &h->was[i]);
		if (!stays_ignored(signals[i]))
			grove_signal(signals[i], on_signal, NULL);
	}
	signalled = h->m;
}

static void run_ended(struct handlers *h)
{
	int err = errno;

	h->m->running = false;
	free(h->objects);
	if (signalled == h->m) {
		signalled = NULL;
		for (size_t i = 0; i < GR_LENGTH(signals); i++)
			sigaction(signals[i], &h->was[i], NULL);
	}
	errno = err;
}

static int run(grove_master *m)
{
	struct handlers h __attribute__((cleanup(run_ended))) = { .m = m, .objects = malloc((m->n + 1) * sizeof(void *)) };

	if (!h.objects)
		return gr_fails(ENOMEM);
	m->stopping = m->roll_wanted = false;
	m->error = 0;
	m->roll = m->n;
	m->result = (struct grove_prefork_result){ 0 };
	memset(m->worker, 0, m->n * sizeof(m->worker[0]));
	if (!(m->attr.flags & GROVE_KEEP_SIGNALS))
		take_signals(&h);
	look_after(m, h.objects);
	return m->error ? gr_fails(m->error) : 0;
}

int grove_master_run(grove_master *master, struct grove_prefork_result *ret_result)
{
	int r;

	if (!gr_here())
		return gr_fails(ENOTSUP);
	if (!gr_is(master, GR_PREFORK))
		return gr_fails(EINVAL);
	if (master->running || (signalled && !(master->attr.flags & GROVE_KEEP_SIGNALS)))
		return gr_fails(EBUSY);
	master->running = true;
	r = run(master);
	if (ret_result)
		*ret_result = master->result;
	return r;
}

int grove_master_stop(grove_master *master, int64_t grace)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_master_stop, master, grace);
	if (!gr_is(master, GR_PREFORK) || !gr_until(grace, &deadline))
		return gr_fails(EINVAL);
	if (!master->running)
		return gr_fails(ESRCH);
	stop_all(master, master->stopping && master->kill_at < deadline ? master->kill_at : deadline, 0);
	return 0;
}

int grove_master_restart(grove_master *master)
{
	GR_ANYWHERE(-1, grove_master_restart, master);
	if (!gr_is(master, GR_PREFORK))
		return gr_fails(EINVAL);
	if (!master->running || master->stopping)
		return gr_fails(ESRCH);
	master->roll_wanted = true;
	gr_object_set_ready(&master->object, true);
	return 0;
}

unsigned grove_master_size(const grove_master *master)
{
	return gr_is(master, GR_PREFORK) ? master->n : 0;
}

int grove_master_pid(const grove_master *master, unsigned number)
{
	if (!gr_is(master, GR_PREFORK) || number >= master->n)
		return gr_fails(EINVAL);
	return __atomic_load_n(&master->worker[number].pid, __ATOMIC_ACQUIRE);
}

unsigned grove_cpu_count(void)
{
	cpu_set_t cpus;
	long n;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		return (unsigned)CPU_COUNT(&cpus);
	n = sysconf(_SC_NPROCESSORS_ONLN);		/* more CPUs than fit in the set */
	return n > 0 ? (unsigned)n : 1;
}

int grove_prefork(unsigned n, grove_worker_fn *fn, void *arg, const struct grove_prefork_attr *attr,
		  struct grove_prefork_result *ret_result)
{
	grove_master *m;
	int r, err;

	if (!gr_here())
		return gr_fails(ENOTSUP);
	m = grove_master_new(n, fn, arg, attr);
	if (!m)
		return -1;
	r = grove_master_run(m, ret_result);
	err = errno;
	grove_master_free(m);
	errno = err;
	return r;
}
