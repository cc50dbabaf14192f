/* test_hub.c - the hub on the real libev: what it asks the kernel, jobs, kicks, its own descriptors, and a forked child */
#include "world.h"
#include "fd.h"
#include "green/green.h"
#include "hub_io.h"
#include "start.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* libev's only way to tell the kernel */
static unsigned ctl_calls;

int epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
	long r = raw(SYS_epoll_ctl, ep, op, fd, event);

	ctl_calls++;
	return r < 0 ? (errno = (int)-r, -1) : 0;
}

static int p[2], sp[2];

static int open_fds(void **state)
{
	world_clear(state);
	assert_int_equal(green_pipe2(p, 0) | green_socketpair(AF_UNIX, SOCK_STREAM, 0, sp), 0);
	return 0;
}

static int close_fds(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		green_close(p[i]);
		green_close(sp[i]);
	}
	return 0;
}

static void put(int fd, const char *what)
{
	assert_int_equal(raw(SYS_write, fd, what, strlen(what)), strlen(what));
}

static void wait_and_read(void *arg)
{
	struct gr_fd_wait w = { .fd = *(int *)arg };
	char c = '-';
	int r = gr_fd_wait(&w, GR_READ, GR_NEVER);

	if (r == 0)
		r = (int)raw(SYS_read, w.fd, &c, 1);
	note("%s=%d%c", me(), r, c);
	gr_fd_wait_end(&w);
}

/* Everybody has run, and the hub has looked. */
static void settle(void)
{
	gr_park("test", gr_deadline(GR_MS(1)), 0);
}

/* --- watching ---------------------------------------------------------------------------------------------------------- */

static void test_readiness_wakes(void **state)
{
	struct gr_fd *f = gr_fd_get(p[0]);

	(void)state;
	assert_int_equal(f->armed, 0);
	world_go("a", wait_and_read, &p[0]);
	settle();
	assert_int_equal(f->armed, GR_BIT(GR_READ));
	put(p[1], "1");
	assert_true(world_run());
	assert_string_equal(world_log, "a=11");
	assert_int_equal(f->armed, GR_BIT(GR_READ));		/* for the next one */
}

#define ROUNDS	100

static void echoes(void *arg)
{
	char c;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(green_recvfrom(sp[0], &c, 1, 0, NULL, NULL), 1);
		assert_int_equal(green_sendto(sp[0], &c, 1, 0, NULL, 0), 1);
	}
}

static void asks(void *arg)
{
	char c = 'x';

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(green_sendto(sp[1], &c, 1, 0, NULL, 0), 1);
		assert_int_equal(green_recvfrom(sp[1], &c, 1, 0, NULL, NULL), 1);
	}
}

static void test_no_epoll_ctl_in_the_steady_state(void **state)
{
	unsigned before = ctl_calls;

	(void)state;
	world_go("server", echoes, NULL);
	world_go("client", asks, NULL);
	assert_true(world_run());
	assert_int_equal(ctl_calls - before, 2);		/* one for each descriptor */
}

static void test_nobody_waits_any_more(void **state)
{
	struct gr_fd *f = gr_fd_get(p[0]);
	uint64_t turns;

	(void)state;
	world_go("a", wait_and_read, &p[0]);
	settle();
	put(p[1], "12");		/* one byte stays */
	assert_true(world_run());
	settle();
	assert_int_equal(f->armed, 0);
	settle();
	turns = gr_carrier()->stats.hub_turns;
	settle();
	assert_in_range(gr_carrier()->stats.hub_turns - turns, 1, 3);
	world_go("b", wait_and_read, &p[0]);
	assert_true(world_run());
	assert_string_equal(world_log, "a=11 b=12");
}

static void test_the_number_is_used_again(void **state)
{
	int old = p[0], keep, fresh[2];

	(void)state;
	keep = (int)green_dup(p[0]);	/* the file lives on, and would go on reporting to the old number */
	world_go("a", wait_and_read, &p[0]);
	settle();
	put(p[1], "1");
	assert_true(world_run());
	green_close(p[0]);
	assert_int_equal(green_pipe2(fresh, 0), 0);
	assert_int_equal(fresh[0], old);
	world_go("b", wait_and_read, &fresh[0]);
	settle();
	put(p[1], "2");
	settle();
	assert_string_equal(world_log, "a=11");
	put(fresh[1], "3");
	assert_true(world_run());
	assert_string_equal(world_log, "a=11 b=13");
	p[0] = keep;
	green_close(fresh[0]);
	green_close(fresh[1]);
}

static void test_hundred_descriptors_at_once(void **state)
{
	enum { N = 100 };
	int fds[N][2];

	(void)state;
	for (int i = 0; i < N; i++) {
		assert_int_equal(green_pipe2(fds[i], 0), 0);
		world_go("a", wait_and_read, &fds[i][0]);
	}
	settle();
	for (int i = 0; i < N; i++)
		put(fds[i][1], "x");
	assert_true(world_run());
	assert_int_equal(strlen(world_log), N * 5 - 1);		/* "a=1x " each */
	for (int i = 0; i < N; i++) {
		green_close(fds[i][0]);
		green_close(fds[i][1]);
	}
}

/* --- jobs and kicks ---------------------------------------------------------------------------------------------------- */

static struct gr_hub_job job[3];

static void runs(struct gr_hub_job *j)
{
	struct gr_carrier *c = gr_carrier();

	note("%ld%s", (long)(j - job), c->current == c->hub ? "" : " not in the hub");
	if (j == &job[0])
		gr_hub_call(&job[2]);
}

static void test_jobs_run_in_the_hub_in_order(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		job[i] = (struct gr_hub_job){ .fn = runs };
	gr_hub_call(&job[0]);
	gr_hub_call(&job[1]);
	assert_string_equal(world_log, "");
	settle();
	assert_string_equal(world_log, "0 1 2");
}

static gr_time (*fake_clock)(void);

static gr_time real_clock(void)
{
	struct timespec ts;

	raw(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return gr_from_timespec(&ts);
}

static bool readable(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1;
}

static void *kicks_and_writes(void *arg)
{
	(void)arg;
	gr_hub_kick();
	put(p[1], "1");
	return NULL;
}

/* Here the hub does wait in the kernel, for another kernel thread. */
static void test_kicked_by_another_kernel_thread(void **state)
{
	pthread_t thread;
	int kick = gr_hub_kick_fd();

	(void)state;
	fake_clock = gr_clock_source;
	gr_clock_source = real_clock;
	world_go("a", wait_and_read, &p[0]);
	assert_int_equal(pthread_create(&thread, NULL, kicks_and_writes, NULL), 0);
	assert_int_equal(gr_park("test", GR_NEVER, 0), 0);
	gr_clock_source = fake_clock;
	pthread_join(thread, NULL);
	assert_true(world_run());
	assert_string_equal(world_log, "a=11");
	settle();
	assert_false(readable(kick));
	gr_hub_kick();
	assert_true(readable(kick));
	settle();
	assert_false(readable(kick));
}

/* --- what other kernel threads bring, while thousands of descriptors are ready ------------------------------------------- */

#define CROWD		1000
#define BEHIND_FEW	200		/* several turns of the hub */

static int crowd[CROWD];
static unsigned served;			/* descriptors that were found ready */
static bool crowd_ends;

static void serves(void *arg)
{
	struct gr_fd_wait w = { .fd = *(int *)arg };

	while (!crowd_ends && gr_fd_wait(&w, GR_READ, GR_NEVER) == 0)
		served++;
	gr_fd_wait_end(&w);
}

static void begin_crowd(void)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	crowd_ends = false;
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = (int)green_eventfd2(1, EFD_CLOEXEC);
		assert_true(crowd[i] >= 0);
		world_go("one", serves, &crowd[i]);
	}
	for (served = 0; served < 2 * CROWD;)
		gr_yield();
}

static void end_crowd(void)
{
	crowd_ends = true;
	assert_true(world_run());
	for (int i = 0; i < CROWD; i++)
		green_close(crowd[i]);
}

static unsigned served_before;		/* when it was there to be taken */

static void takes(struct gr_note *n)
{
	(void)n;
	note("note %s", served - served_before < BEHIND_FEW ? "soon" : "behind all");
}

static void test_a_note_does_not_wait_for_all_descriptors(void **state)
{
	static struct gr_note n = { .fn = takes };

	(void)state;
	begin_crowd();
	served_before = served;
	gr_post(&n);
	while (!world_log[0])
		gr_yield();
	end_crowd();
	assert_string_equal(world_log, "note soon");
}

static void offloads(void *arg)
{
	(void)arg;
	assert_int_equal(gr_offload(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
	note("result %s", served - served_before < BEHIND_FEW ? "soon" : "behind all");
}

static void sees_it_come(void *arg)
{
	(void)arg;
	while (!gr_offload_came())
		usleep(100);
	served_before = served;
}

static void test_a_result_does_not_wait_for_all_descriptors(void **state)
{
	(void)state;
	begin_crowd();
	world_go("offloads", offloads, NULL);
	world_go("sees it come", sees_it_come, NULL);
	while (!world_log[0])
		gr_yield();
	end_crowd();
	assert_string_equal(world_log, "result soon");
}

/* The hub's turns while somebody is always ready */
static void yield_for(unsigned turns)
{
	for (unsigned i = 0; i < turns * GR_HUB_EVERY; i++)
		gr_yield();
}

static void noted(struct gr_note *n)
{
	(void)n;
	note("noted");
}

static void *posts(void *arg)
{
	gr_post(arg);
	return NULL;
}

static void test_looks_without_waiting(void **state)
{
	struct gr_note n = { .fn = noted };
	pthread_t thread;
	unsigned before;

	(void)state;
	settle();
	before = world_looks;
	yield_for(10);
	assert_int_equal(world_looks, before);	/* there is nothing to be found */
	assert_int_equal(pthread_create(&thread, NULL, posts, &n), 0);
	pthread_join(thread, NULL);
	yield_for(2);
	assert_string_equal(world_log, "noted");
	world_go("a", wait_and_read, &p[0]);
	yield_for(2);
	put(p[1], "1");
	yield_for(2);
	assert_string_equal(world_log, "noted a=11");
}

/* --- descriptors of our own -------------------------------------------------------------------------------------------- */

static void test_own_descriptors_are_out_of_the_way(void **state)
{
	int fd = eventfd(0, 0), own = gr_own_fd(fd);
	struct rlimit limit;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(fcntl(own, F_GETFD), FD_CLOEXEC);
	if (limit.rlim_max >= limit.rlim_cur + 64 && limit.rlim_cur <= 65536)
		assert_true((rlim_t)own >= limit.rlim_cur && (rlim_t)gr_hub_kick_fd() >= limit.rlim_cur);
	else
		assert_in_range(own, (limit.rlim_cur < 8000 ? limit.rlim_cur : 8000) / 2, 8000);
	assert_true(gr_is_own_fd(own) && gr_is_own_fd(gr_hub_kick_fd()));
	assert_false(gr_is_own_fd(0));
	gr_own_fd_close(own);
	assert_false(gr_is_own_fd(own));
	assert_int_equal(fcntl(own, F_GETFD), -1);
}

static void test_own_descriptors_are_hidden(void **state)
{
	int own = gr_own_fd(eventfd(0, 0)), limit = own + 1;

	(void)state;
	assert_int_equal(green_close(own), -EBADF);
	assert_int_equal(green_dup(own), -EBADF);
	assert_int_equal(green_dup2(own, 100), -EBADF);
	assert_int_equal(green_dup2(0, own), -EBUSY);
	assert_int_equal(green_close_range((unsigned)own - 2, (unsigned)limit, 0), 0);
	assert_int_equal(fcntl(own, F_GETFD), FD_CLOEXEC);
	gr_own_fd_close(own);
}

static void test_own_descriptors_beyond_a_used_up_limit(void **state)
{
	struct rlimit was, few;
	int fd = eventfd(0, 0), next = dup(0), own;

	(void)state;
	close(next);
	getrlimit(RLIMIT_NOFILE, &was);
	if (was.rlim_max < (rlim_t)next + 64)
		skip();
	few = (struct rlimit){ (rlim_t)next, was.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	assert_int_equal(dup(0), -1);
	own = gr_own_fd(fd);
	assert_true(own >= next);
	assert_int_equal(dup(0), fd);		/* the program has its number back */
	close(fd);
	getrlimit(RLIMIT_NOFILE, &few);
	assert_int_equal(few.rlim_cur, next);
	setrlimit(RLIMIT_NOFILE, &was);
	gr_own_fd_close(own);
}

/* --- fork -------------------------------------------------------------------------------------------------------------- */

static int in_the_child(void)
{
	int kick = gr_hub_kick_fd(), mine[2];

	gr_forked_child();
	if (gr_hub_kick_fd() != -1 || fcntl(kick, F_GETFD) != -1)
		return 1;
	world_alive = 0;		/* the others are not here */
	world_log[0] = '\0';
	if (green_pipe2(mine, 0) < 0)
		return 2;
	world_go("child", wait_and_read, &mine[0]);
	gr_yield();
	put(mine[1], "c");
	if (!world_run() || strcmp(world_log, "child=1c") != 0)
		return 3;
	return gr_hub_kick_fd() < 0 ? 4 : 0;
}

/* The epoll set is shared with the child: one that touched it would break the parent. */
static void test_a_forked_child_has_a_hub_of_its_own(void **state)
{
	int status;
	pid_t child;

	(void)state;
	world_go("a", wait_and_read, &p[0]);
	settle();
	child = fork();
	if (child == 0)
		_exit(in_the_child());
	gr_fd_forked();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	put(p[1], "1");
	assert_true(world_run());
	assert_string_equal(world_log, "a=11");
}

/* --- a library's descriptors -------------------------------------------------------------------------------------------- */

static struct gr_hub_io library;
static int second, other[2];

static void library_reads(struct gr_hub_io *io, unsigned dirs)
{
	char c = '-';

	assert_int_equal(dirs, GR_BIT(GR_READ));
	assert_int_equal(raw(SYS_read, io->fd, &c, 1), 1);
	note("%c", c);
}

static void begin_watching(struct gr_hub_job *job)
{
	(void)job;
	library = (struct gr_hub_io){ .ready = library_reads, .fd = p[0] };
	assert_int_equal(gr_hub_io_watch(&library, GR_BIT(GR_READ)), 0);
}

/* Another file gets the number, and the one that had it is not closed: libev will be told of it with the number. */
static void change_file(struct gr_hub_job *job)
{
	(void)job;
	gr_hub_io_stop(&library);
	second = (int)raw(SYS_dup, p[0]);
	assert_int_equal(raw(SYS_dup2, other[0], p[0]), p[0]);
	assert_int_equal(gr_hub_io_watch(&library, GR_BIT(GR_READ)), 0);
}

static void end_watching(struct gr_hub_job *job)
{
	(void)job;
	gr_hub_io_stop(&library);
}

static void in_hub(void (*fn)(struct gr_hub_job *))
{
	struct gr_hub_job job = { .fn = fn };

	gr_hub_call(&job);
	settle();
	settle();
}

static void test_libev_makes_itself_another_set(void **state)
{
	(void)state;
	assert_int_equal(raw(SYS_pipe2, other, 0), 0);
	in_hub(begin_watching);
	put(p[1], "1");
	settle();
	in_hub(change_file);
	put(other[1], "2");
	settle();
	put(p[1], "x");			/* which makes libev give up its set */
	for (int i = 0; i < 4; i++)
		settle();
	put(other[1], "3");
	for (int i = 0; i < 4; i++)
		settle();
	in_hub(end_watching);
	assert_string_equal(world_log, "1 2 3");
	raw(SYS_close, second);
	raw(SYS_close, other[0]);
	raw(SYS_close, other[1]);
}

/* --- timers -------------------------------------------------------------------------------------------------------------- */

static gr_time kernels_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return gr_from_timespec(&ts);
}

/* What the kernel tells of a timerfd is how long it still has. */
static bool says_armed(FILE *fdinfo, gr_time at)
{
	gr_time before = kernels_now(), left = -1;
	char line[128];
	long sec, nsec;

	while (fdinfo && fgets(line, sizeof(line), fdinfo))
		if (sscanf(line, "it_value: (%ld, %ld)", &sec, &nsec) == 2)
			left = GR_SEC(sec) + nsec;
	return left > 0 && before + left <= at && at <= kernels_now() + left;
}

/* Is some timerfd set to @at? */
static bool is_armed(gr_time at)
{
	DIR *all = opendir("/proc/self/fdinfo");
	const struct dirent *d;
	char path[300];
	bool found = false;

	assert_non_null(all);
	while (!found && (d = readdir(all))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", d->d_name);
		f = fopen(path, "r");
		found = says_armed(f, at);
		if (f)
			fclose(f);
	}
	closedir(all);
	return found;
}

static void sleeps_until(void *arg)
{
	gr_park("sleep", world_began + *(gr_time *)arg, 0);
	note("%s", me());
}

/* Three sleep; what has the hub asked of the kernel for the first of them? */
static void wakes_first_at(gr_time want)
{
	static gr_time at[] = { GR_SEC(10), GR_SEC(60), GR_SEC(200) };

	world_clear(NULL);
	gr_hub_timer_fired();
	world_go("c", sleeps_until, &at[2]);
	world_go("b", sleeps_until, &at[1]);
	world_go("a", sleeps_until, &at[0]);
	gr_park("test", world_began + GR_SEC(11), 0);
	assert_true(is_armed(world_began + want));
	assert_true(world_run());
	assert_string_equal(world_log, "a b c");
}

static void test_one_wake_up_for_all_that_are_due_within_the_slack(void **state)
{
	struct { int priority; } none = { 0 }, low = { 1 };

	(void)state;
	assert_int_equal(green_prctl(PR_SET_TIMERSLACK, GR_SEC(100), 0, 0, 0), 0);
	wakes_first_at(GR_SEC(60));
	if (green_sched_setscheduler(0, SCHED_FIFO, (long)&low, 0) == 0) {	/* which takes a privilege */
		wakes_first_at(GR_SEC(10));
		assert_int_equal(green_sched_setscheduler(0, SCHED_OTHER, (long)&none, 0), 0);
		green_prctl(PR_SET_TIMERSLACK, GR_SEC(100), 0, 0, 0);
		wakes_first_at(GR_SEC(60));
	}
	assert_int_equal(green_prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0), 0);
	wakes_first_at(GR_SEC(10));
	assert_int_equal(green_prctl(PR_SET_TIMERSLACK, GR_SEC(100), 0, 0, 0), 0);	/* another thread's, perhaps */
	wakes_first_at(GR_SEC(10));
}

#define WITH_FDS(test) cmocka_unit_test_setup_teardown(test, open_fds, close_fds)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FDS(test_readiness_wakes),
		WITH_FDS(test_no_epoll_ctl_in_the_steady_state),
		WITH_FDS(test_nobody_waits_any_more),
		WITH_FDS(test_the_number_is_used_again),
		WITH_FDS(test_hundred_descriptors_at_once),
		WITH_FDS(test_jobs_run_in_the_hub_in_order),
		WITH_FDS(test_kicked_by_another_kernel_thread),
		WITH_FDS(test_a_note_does_not_wait_for_all_descriptors),
		WITH_FDS(test_a_result_does_not_wait_for_all_descriptors),
		WITH_FDS(test_looks_without_waiting),
		WITH_FDS(test_libev_makes_itself_another_set),
		WITH_FDS(test_own_descriptors_are_out_of_the_way),
		WITH_FDS(test_own_descriptors_are_hidden),
		WITH_FDS(test_own_descriptors_beyond_a_used_up_limit),
		cmocka_unit_test(test_one_wake_up_for_all_that_are_due_within_the_slack),
		WITH_FDS(test_a_forked_child_has_a_hub_of_its_own),
	};

	return cmocka_run_group_tests(tests, world_begin_hub, NULL);
}
