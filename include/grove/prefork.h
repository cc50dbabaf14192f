/*
 * grove/prefork.h - several processes, each with its greenlets: one kernel thread per CPU
 *
 * Greenlets share one kernel thread.  A server that is to use all CPUs forks: a master makes the socket, starts as many worker
 * processes as there are CPUs, and looks after them; each worker serves with greenlets of its own.
 *
 *	static int work(unsigned number, void *server)
 *	{
 *		return grove_server_serve_forever(server) < 0 && errno != ECANCELED;
 *	}
 *	...
 *	grove_server *server = grove_server_new("127.0.0.1:8080", serve, NULL, NULL);	// shared by all
 *	grove_prefork(0, work, server, NULL, NULL);
 *
 * Or each worker makes a socket of its own with GROVE_REUSE_PORT (grove/net.h), and the kernel spreads connections evenly; but
 * those that wait at a worker that ends are lost, while at a shared socket the others take them.
 *
 * A worker that returns 0 is done.  One that ends otherwise, by another status or a signal, is started again: at once when it has
 * lived for a second, else after a delay, 100 ms at first and twice as long each time, up to ten seconds.
 *
 * Workers are stopped by SIGTERM, which makes every wait of the greenlet that runs the worker's function fail with ECANCELED, as
 * grove_kill() does it; grove_server_serve_forever() then gives its handlers their grace.  A worker that takes too long gets
 * SIGKILL.  When the master has died, its workers get SIGTERM from the kernel.  In a worker SIGINT and SIGHUP do nothing: they
 * are the master's to see to.  All that may be changed by grove_signal() in the worker.
 *
 * A worker begins as a copy of the master with one greenlet, the one that forked; the master's other greenlets are not there.  It
 * ends by _exit(2), after the output streams were flushed: what the master has registered by atexit(3) is not run.
 */
#ifndef GROVE_PREFORK_H
#define GROVE_PREFORK_H

#include <grove/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_master grove_master;

/* What worker @number, from 0 up, runs; a worker that is started again keeps its number.  Returns the exit status. */
typedef int grove_worker_fn(unsigned number, void *arg);

/* To be filled with zeros first.  size: sizeof(struct grove_prefork_attr). */
struct grove_prefork_attr {
	size_t size;
	int64_t grace;			/* ns for a worker to end before it is killed; 0: 30 s */
	int64_t min_delay, max_delay;	/* ns before one that died at once is started again; 0: 100 ms, 10 s */
	int64_t quick;			/* to live shorter than this, in ns, is to die at once; 0: 1 s */
	unsigned give_up;		/* when a worker has died at once so many times in a row, stop all; 0: never */
	unsigned flags;			/* GROVE_KEEP_SIGNALS or 0 */
};
#define GROVE_KEEP_SIGNALS	1u	/* SIGTERM, SIGINT and SIGHUP of the master are the program's own affair */

/* What has happened to the workers */
struct grove_prefork_result {
	unsigned started;		/* processes in all */
	unsigned done;			/* returned 0 unasked */
	unsigned failed;		/* ended unasked by another status or a signal */
	unsigned stopped;		/* ended when they were asked to */
	unsigned killed;		/* had to be killed; they count as stopped, too */
};

/*
 * grove_prefork - run @n worker processes until all are done, or a signal stops them; 0: as many as there are CPUs
 * @attr, @ret_result: or NULL
 *
 * SIGTERM or SIGINT to the master stops all workers, a second one kills them; SIGHUP starts them anew, one after another.  SIGINT
 * and SIGHUP stay ignored if they were.  Afterwards other handlers are what they were; those of grove_signal() are to be set
 * anew.
 * Returns 0, or -1 with errno
 *   ECHILD     a worker has died at once as often as .give_up says
 *   ECANCELED, ETIMEDOUT  the caller was killed, or a deadline around it is over; the workers were stopped all the same
 *   EINVAL     @fn is NULL, or @attr has a wrong size, negative values or unknown flags
 *   ENOMEM
 * Parks: yes.   Threads: greenlets.   Signals: not async-signal-safe.   Follows the prefork servers of gevent's world (gunicorn).
 */
GROVE_API int grove_prefork(unsigned n, grove_worker_fn *fn, void *arg, const struct grove_prefork_attr *attr,
			    struct grove_prefork_result *ret_result);

/*
 * grove_master_new - the same in steps: a master for @n workers, of which none runs yet
 *
 * Returns it, or NULL with errno EINVAL, ENOMEM or ENOTSUP.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API grove_master *grove_master_new(unsigned n, grove_worker_fn *fn, void *arg, const struct grove_prefork_attr *attr);

/*
 * grove_master_free - forget a master; NULL is allowed
 *
 * Returns 0, or -1 with errno EBUSY: it runs; EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_master_free(grove_master *master);

/*
 * grove_master_run - start the workers, look after them, and return when all have ended: as grove_prefork()
 *
 * EBUSY: it runs already; or another master runs, and both are to see to the signals.
 * Parks: yes.   Threads: greenlets.   Signals: not async-signal-safe.
 */
GROVE_API int grove_master_run(grove_master *master, struct grove_prefork_result *ret_result);

/*
 * grove_master_stop - stop all workers: SIGTERM, and SIGKILL after @grace; it is grove_master_run() that waits for their end
 *
 * Again with a shorter @grace: it counts.   Returns 0, or -1 with errno ESRCH: it does not run; EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_master_stop(grove_master *master, int64_t grace);

/*
 * grove_master_restart - start all workers anew, one after another; does not wait for it
 *
 * A worker is stopped, its successor started; when that has lived for .min_delay the next one follows.  If it dies before, the
 * others are left as they are.   Returns 0, or -1 with errno ESRCH: it does not run, or is being stopped; EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_master_restart(grove_master *master);

/* grove_master_size - how many workers it is for.   Parks: no.   Threads: any. */
GROVE_API unsigned grove_master_size(const grove_master *master);

/* grove_master_pid - the process id of worker @number; 0: there is none now; -1 with errno EINVAL.   Parks: no.
 * Threads: any. */
GROVE_API int grove_master_pid(const grove_master *master, unsigned number);

/* grove_cpu_count - how many CPUs this process may use.   Parks: no.   Threads: any.   Follows os.process_cpu_count. */
GROVE_API unsigned grove_cpu_count(void);

#ifdef __cplusplus
}
#endif

#endif
