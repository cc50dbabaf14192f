/*
 * hub.c - sleeping, waiting for descriptors, callbacks, signals; running until done, and what the hub asks before it waits
 */
#include "greenlet.h"
#include "../clock.h"
#include "../fd.h"
#include "../gate.h"
#include "../preempt.h"
#include "../raw.h"
#include "../signal.h"
#include "info.h"
#include "loop.h"
#include <grove/hub.h>
#include <grove/wait.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- on or off ------------------------------------------------------------------------------------------------------------------------ */

int grove_patch(void)
{
	struct gr_carrier *c = gr_carrier();

	if (!gr_here())
		return gr_fails(gr_why_not());
	c->patched = true;
	return 0;
}

bool grove_is_patched(void)
{
	return gr_carrier()->patched;
}

int grove_preempt(int64_t slice)
{
	GR_ANYWHERE(-1, grove_preempt, slice);
	if (slice < 0 || slice > GR_SEC(3600))
		return gr_fails(EINVAL);
	gr_enter();
	gr_preempt_ask(slice);
	return gr_leave(0);
}

/* --- time ------------------------------------------------------------------------------------------------------------------------------ */

int grove_sleep(int64_t ns)
{
	struct gr_turn turn;
	int r;

	if (ns == 0)
		return grove_yield();
	GR_ANYWHERE(-1, grove_sleep, ns);
	if (ns < 0)
		return gr_fails(EINVAL);
	pthread_testcancel();
	gr_enter();
	r = gr_wait_alone("sleep", NULL, gr_deadline(ns), &turn);
	return gr_leave(r == -ETIMEDOUT && !turn.broken ? 0 : r);
}

int grove_yield(void)
{
	struct gr_carrier *c = gr_carrier();
	int r = 0;

	GR_ANYWHERE(-1, grove_yield);
	gr_enter();
	gr_yield();
	if (GR_UNLIKELY(c->current->limit != GR_NEVER))
		r = gr_break_now();
	return gr_leave(r);
}

int grove_idle(void)
{
	GR_ANYWHERE(-1, grove_idle);
	gr_enter();
	return gr_leave(gr_wait_turn(&gr_carrier()->idlers, "idle", NULL, GR_NEVER, NULL));
}

/* --- descriptors ------------------------------------------------------------------------------------------------------------------------ */

/* What of @events holds now: GROVE_* bits, 0, or -EBADF */
static int look(int fd, unsigned events)
{
	struct pollfd p = { .fd = fd, .events = (short)((events & GROVE_READ ? POLLIN : 0) | (events & GROVE_WRITE ? POLLOUT : 0)) };
	int ready = 0;

	raw(SYS_poll, &p, 1, 0);
	if (p.revents & POLLNVAL)
		return -EBADF;
	if (p.revents & (POLLIN | POLLERR | POLLHUP))
		ready |= GROVE_READ;
	if (p.revents & (POLLOUT | POLLERR | POLLHUP))
		ready |= GROVE_WRITE;
	return ready & (int)events;
}

static int wait_fd(int fd, unsigned events, gr_time deadline)
{
	struct gr_fd_want want = { .fd = fd, .dirs = (uint8_t)((events & GROVE_READ ? GR_BIT(GR_READ) : 0) |
							      (events & GROVE_WRITE ? GR_BIT(GR_WRITE) : 0)) };
	int ready, r = 0;

	for (;;) {
		ready = look(fd, events);
		if (ready)
			return ready;
		if (deadline == GR_AT_ONCE)
			return -EAGAIN;
		if (r == -ETIMEDOUT)
			return r;
		gr_carrier()->current->in_door = 1;	/* pthread_cancel(3) may break it off */
		r = gr_fd_wait_many(&want, 1, deadline);
		gr_carrier()->current->in_door = 0;
		if (r == -GR_EBROKEN)
			return gr_break_error();
		if (r == -EINTR) {
			gr_leave_quietly();
			gr_run_handlers();
			gr_enter();
		} else if (r < 0 && r != -ETIMEDOUT) {
			return r;
		}
	}
}

int grove_wait_either(int fd, unsigned events, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_wait_either, fd, events, timeout);
	if (!events || (events & ~(GROVE_READ | GROVE_WRITE)) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (fd < 0)
		return gr_fails(EBADF);
	pthread_testcancel();
	gr_enter();
	return gr_leave(wait_fd(fd, events, deadline));
}

int grove_wait_read(int fd, int64_t timeout)
{
	return grove_wait_either(fd, GROVE_READ, timeout) < 0 ? -1 : 0;
}

int grove_wait_write(int fd, int64_t timeout)
{
	return grove_wait_either(fd, GROVE_WRITE, timeout) < 0 ? -1 : 0;
}

/* --- callbacks -------------------------------------------------------------------------------------------------------------------------- */

struct call {
	struct gr_note note;
	struct gr_soon soon;
	void (*fn)(void *);
	void *arg;
};

static void run_call(struct gr_soon *job)
{
	struct call *call = gr_container(job, struct call, soon);
	void (*fn)(void *) = call->fn;
	void *arg = call->arg;

	free(call);
	fn(arg);
}

static void call_arrives(struct gr_note *note)
{
	gr_soon(&gr_container(note, struct call, note)->soon);
}

static struct call *call_new(void (*fn)(void *), void *arg)
{
	struct call *call = fn ? malloc(sizeof(*call)) : gr_fails_null(EINVAL);

	if (call)
		*call = (struct call){ .note.fn = call_arrives, .soon.fn = run_call, .fn = fn, .arg = arg };
	return call;
}

int grove_call_soon(void (*fn)(void *), void *arg)
{
	struct call *call;

	GR_ANYWHERE(-1, grove_call_soon, fn, arg);
	call = call_new(fn, arg);
	if (!call)
		return -1;
	gr_enter();
	gr_soon(&call->soon);
	return gr_leave(0);
}

int grove_call_soon_threadsafe(void (*fn)(void *), void *arg)
{
	struct call *call;

	if (!gr_here() && !gr_carrier()->api_on)
		return gr_fails(ENOTSUP);
	call = call_new(fn, arg);
	if (!call)
		return -1;
	gr_post(&call->note);
	return 0;
}

/* --- signals ----------------------------------------------------------------------------------------------------------------------------- */

static struct watched {
	struct gr_note note;
	struct gr_soon soon;
	int on_its_way;			/* from the handler to the greenlet for callbacks */
	grove_signal_fn *fn;
	void *arg;
} watched[GR_NSIG];

static void *tell_signal(void *arg)
{
	struct watched *w = arg;

	if (w->fn)
		w->fn((int)(w - watched), w->arg);
	return NULL;
}

static void spawn_teller(struct gr_soon *job)
{
	struct watched *w = gr_container(job, struct watched, soon);

	__atomic_store_n(&w->on_its_way, 0, __ATOMIC_SEQ_CST);
	if (grove_spawn_raw(tell_signal, w) < 0)
		perror("grove: no greenlet for a signal");
}

static void signal_arrives(struct gr_note *note)
{
	gr_soon(&gr_container(note, struct watched, note)->soon);
}

void gr_hub_signals_forget(void)
{
	for (int sig = 1; sig < GR_NSIG; sig++)
		watched[sig].on_its_way = 0;
}

static void on_signal(int sig)
{
	if (__atomic_exchange_n(&watched[sig].on_its_way, 1, __ATOMIC_SEQ_CST) == 0)
		gr_post(&watched[sig].note);
}

int grove_signal(int sig, grove_signal_fn *fn, void *arg)
{
	struct sigaction sa = { .sa_flags = SA_RESTART };

	if (!gr_here())
		return gr_fails(ENOTSUP);
	if (sig < 1 || sig >= GR_NSIG)
		return gr_fails(EINVAL);
	sa.sa_handler = fn ? on_signal : SIG_DFL;
	if (fn) {
		watched[sig].note.fn = signal_arrives;
		watched[sig].soon.fn = spawn_teller;
		watched[sig].fn = fn;
		watched[sig].arg = arg;
	}
	if (sigaction(sig, &sa, NULL) < 0)
		return -1;
	if (!fn)
		watched[sig].fn = NULL;
	return 0;
}

/* --- run until done ------------------------------------------------------------------------------------------------------------------------ */

static struct {
	struct gr_list waiting;		/* grove_run_forever() */
	bool stop;
} forever = { .waiting = { &forever.waiting, &forever.waiting } };

int grove_run_forever(void)
{
	int r = 0;

	if (!gr_here())
		return gr_fails(ENOTSUP);
	gr_enter();
	if (!forever.stop)
		r = gr_wait_turn(&forever.waiting, "grove_stop", NULL, GR_NEVER, NULL);
	if (r == 0)
		forever.stop = false;
	return gr_leave(r);
}

static long stop(void)
{
	GR_ANYWHERE(-1l, stop);
	gr_enter();
	forever.stop = true;
	gr_give_all(&forever.waiting, 0);
	gr_leave_quietly();
	return 0;
}

void grove_stop(void)
{
	int was = errno;

	stop();
	errno = was;
}

static bool left_over(const struct grove_greenlet *rec)
{
	return !rec->service && !rec->asker && rec->g != gr_carrier()->current && rec->fn && rec->life != GR_ENDED;
}

static void print_left_over(const struct grove_greenlet *rec)
{
	char title[GR_API_NAME];
	const char *does = rec->life == GR_DELAYED ? "was to start later" : rec->life == GR_NEW ? "had not begun" :
			   rec->g && rec->g->state == GR_PARKED && rec->g->waits ? "waited for" : "was ready to run";
	bool waits = !strcmp(does, "waited for");

	fprintf(stderr, "grove: left over: %s (id %llu) %s%s%s\n", gr_greenlet_title(rec, title, sizeof(title)),
		(unsigned long long)rec->id, does, waits ? ": " : "", waits ? rec->g->waits : "");
}

/* Those to be ended, with a reference to each; their number, or -1. */
static int collect(grove_greenlet ***ret_list)
{
	size_t n = 0, room = 0;

	gr_list_each(it, &gr_greenlets)
		room += left_over(gr_container(it, struct grove_greenlet, all));
	*ret_list = malloc((room + 1) * sizeof(**ret_list));
	if (!*ret_list)
		return -1;
	gr_enter();
	gr_list_each(it, &gr_greenlets) {
		struct grove_greenlet *rec = gr_container(it, struct grove_greenlet, all);

		if (n < room && left_over(rec)) {
			rec->refs++;
			(*ret_list)[n++] = rec;
		}
	}
	gr_leave_quietly();
	return (int)n;
}

int grove_shutdown(int64_t timeout)
{
	grove_greenlet **list;
	int n, r = 0, err;

	if (!gr_here())
		return gr_fails(ENOTSUP);
	if (timeout < 0)
		return gr_fails(EINVAL);
	n = collect(&list);
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++)
		print_left_over(list[i]);
	if (n)
		r = grove_killall(list, (size_t)n, timeout);
	err = errno;
	for (int i = 0; i < n; i++)
		grove_release(list[i]);
	free(list);
	errno = err;
	return r < 0 ? -1 : n;
}

int grove_run_until(void *object)
{
	return grove_wait(&object, 1, 1, GROVE_FOREVER, NULL) < 0 ? -1 : 0;
}

int grove_run(grove_fn *main, void *arg, void **ret_value)
{
	grove_greenlet *g;
	int r, err;

	if (!gr_here())
		return gr_fails(ENOTSUP);
	g = grove_spawn(main, arg);
	if (!g)
		return -1;
	r = grove_get(g, ret_value, GROVE_FOREVER);
	err = errno;
	grove_shutdown(GROVE_SEC(5));
	grove_release(g);
	errno = err;
	return r;
}

/* --- the hub is about to wait --------------------------------------------------------------------------------------------------------------- */

/* Only another greenlet can end its wait. */
static bool waits_inside(const struct gr_greenlet *g)
{
	return (g->park_flags & GR_PARK_API) || (!strcmp(g->waits, "futex") && !(g->park_flags & GR_PARK_OUTSIDE) && !gr_carrier()->natives);
}

/* A main thread that has ended while others go on */
static bool has_ended(const struct gr_greenlet *g)
{
	return g->waits && !strcmp(g->waits, "the end");
}

bool gr_api_only_inside(const struct gr_carrier *c)
{
	if (c->outside || gr_natives_left(c) || c->vm_child || !gr_list_empty(&c->idlers))
		return false;
	gr_list_each(it, &c->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		if (g->state != GR_PARKED || (g->waits && !(g->api && g->api->service) && strcmp(g->waits, "idle") && !waits_inside(g) &&
					      !has_ended(g)))
			return false;
		if (g->api && g->api->service && strcmp(g->waits, "callbacks") && g != c->loop_greenlet)
			return false;
	}
	return !gr_loop_active() && !gr_signal_any_handler();
}

static bool stuck(const struct gr_carrier *c)
{
	return c->main->state == GR_PARKED && (c->main->park_flags & GR_PARK_API) && gr_api_only_inside(c);
}

bool gr_api_before_wait(bool no_timers)
{
	struct gr_carrier *c = gr_carrier();

	if (!gr_list_empty(&c->idlers) || gr_loop_look_again())
		return false;
	if (!no_timers || !stuck(c))
		return true;
	gr_info_print_blocked(2);
	gr_wake(c->main, -EDEADLK);
	return false;
}
