/* test_signal.c - masks, queues and handlers of greenlets; the signals are real */
#include "world.h"
#include "green/green.h"
#include <sys/mman.h>
#include <sys/wait.h>

#define RT(n)	(SIGRTMIN + (n))
#define BIT(n)	GR_SIGBIT(n)

/* --- handlers ---------------------------------------------------------------------------------------------------------- */

static uint64_t kernel_mask(void)
{
	uint64_t mask = 0;

	raw(SYS_rt_sigprocmask, SIG_BLOCK, 0, &mask, 8);
	return mask;
}

static uint64_t mask_in_handler;

static const char *name_of(int sig)
{
	return sig == SIGUSR1 ? "usr1" : sig == SIGUSR2 ? "usr2" : sig == SIGALRM ? "alrm" : sig >= SIGRTMIN ? "rt" : "?";
}

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	mask_in_handler = kernel_mask();
	if (info->si_code == SI_QUEUE)
		note("%s:%d", name_of(sig), info->si_value.sival_int);
	else
		note("%s", name_of(sig));
}

static void act(int sig, void (*fn)(int, siginfo_t *, void *), unsigned long flags, uint64_t mask)
{
	struct gr_action a = { .handler = fn, .flags = flags | SA_SIGINFO, .mask = mask };

	assert_int_equal(gr_signal_action(sig, &a, NULL), 0);
}

static void raise_for(struct gr_greenlet *g, int sig, int value)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_QUEUE };

	info.si_value.sival_int = value;
	assert_int_equal(gr_signal_send(g, sig, &info), 0);
}

static struct gr_greenlet *self(void)
{
	return gr_carrier()->current;
}

static const int ours[] = { SIGUSR1, SIGUSR2, SIGALRM };

static int setup(void **state)
{
	world_clear(state);
	for (size_t i = 0; i < GR_LENGTH(ours); i++)
		act(ours[i], handler, 0, 0);
	act(RT(0), handler, 0, 0);
	act(RT(1), handler, 0, 0);
	gr_signal_set_mask(0);
	return 0;
}

static int deliver(void)
{
	bool restart;

	gr_signal_collect();
	return gr_signal_deliver(&restart);
}

/* --- queueing ---------------------------------------------------------------------------------------------------------- */

static void test_kernel_signal_inside_waits_for_delivery(void **state)
{
	(void)state;
	kill(getpid(), SIGUSR1);
	assert_string_equal(world_log, "");		/* we are inside the runtime */
	assert_true(gr_carrier()->todo & GR_TODO_SIGNAL);
	assert_false(gr_signal_pending());
	gr_signal_collect();
	assert_true(gr_signal_pending());
	assert_int_equal(gr_signal_pending_set(self()), BIT(SIGUSR1));
	assert_int_equal(deliver(), 1);
	assert_string_equal(world_log, "usr1");
	assert_false(gr_signal_pending());
	assert_int_equal(deliver(), 0);
}

static void test_siginfo_is_kept(void **state)
{
	(void)state;
	sigqueue(getpid(), RT(0), (union sigval){ .sival_int = 42 });
	assert_int_equal(deliver(), 1);
	assert_string_equal(world_log, "rt:42");
}

/* As in the kernel, which puts up a frame for each, the lowest number first: so the last one's handler runs first. */
static void test_the_highest_number_runs_first_and_equals_in_order(void **state)
{
	(void)state;
	raise_for(self(), RT(0), 1);
	raise_for(self(), SIGUSR2, 2);
	raise_for(self(), RT(0), 3);
	raise_for(self(), SIGUSR1, 4);
	raise_for(self(), SIGUSR1, 5);		/* one of each kind, but for real-time signals */
	assert_int_not_equal(deliver(), 0);
	assert_string_equal(world_log, "rt:1 rt:3 usr2:2 usr1:4");
}

static void test_take(void **state)
{
	siginfo_t info;

	(void)state;
	gr_signal_set_mask(BIT(SIGUSR1) | BIT(SIGUSR2));
	raise_for(self(), SIGUSR2, 1);
	raise_for(self(), SIGUSR1, 2);
	assert_false(gr_signal_take(BIT(SIGALRM), &info));
	assert_true(gr_signal_take(BIT(SIGUSR1), &info));
	assert_int_equal(info.si_signo, SIGUSR1);
	assert_int_equal(info.si_value.sival_int, 2);
	assert_false(gr_signal_take(BIT(SIGUSR1), &info));
	assert_true(gr_signal_take(BIT(SIGUSR2), &info));
	assert_int_equal(deliver(), 0);
}

static void test_take_the_lowest_number_first(void **state)
{
	siginfo_t info;

	(void)state;
	gr_signal_set_mask(BIT(SIGUSR1) | BIT(SIGUSR2));
	raise_for(self(), SIGUSR2, 1);
	raise_for(self(), SIGUSR1, 2);
	assert_true(gr_signal_take(BIT(SIGUSR1) | BIT(SIGUSR2), &info));
	assert_int_equal(info.si_signo, SIGUSR1);
	assert_true(gr_signal_take(BIT(SIGUSR1) | BIT(SIGUSR2), &info));
	assert_int_equal(info.si_signo, SIGUSR2);
}

static void test_no_more_than_fit(void **state)
{
	siginfo_t info = { .si_code = SI_QUEUE };
	int n = 0;

	(void)state;
	gr_signal_set_mask(BIT(RT(0)) | BIT(RT(1)));
	while (gr_signal_send(self(), RT(0), &info) == 0)
		assert_in_range(++n, 1, 100000);
	assert_int_equal(gr_signal_send(self(), RT(1), &info), -EAGAIN);
	assert_int_equal(gr_signal_send(self(), SIGUSR1, &info), 0);		/* lost without a word, as in the kernel */
	while (gr_signal_take(BIT(RT(0)), &info))
		n--;
	assert_int_equal(n, 0);
	raise_for(self(), RT(1), 7);
	assert_true(gr_signal_take(BIT(RT(1)), &info));
}

static void test_ignoring_forgets_what_is_pending(void **state)
{
	struct gr_action ign = { .handler = (void *)SIG_IGN };

	(void)state;
	raise_for(self(), SIGUSR1, 1);
	raise_for(self(), SIGUSR2, 2);
	assert_int_equal(gr_signal_action(SIGUSR1, &ign, NULL), 0);
	assert_int_equal(gr_signal_pending_set(self()), BIT(SIGUSR2));
	raise_for(self(), SIGUSR1, 3);
	assert_int_equal(deliver(), 1);
	assert_string_equal(world_log, "usr2:2");
}

/* --- restart, and what handlers see ------------------------------------------------------------------------------------ */

static const struct restart_row {
	const char *when;
	unsigned long flags[2];		/* of SIGUSR1, SIGUSR2 */
	bool sent[2];
	int ran;			/* not counting those that interrupt another one */
	bool restart;
} restarts[] = {
	{ "none",                         { 0, 0 },                   { false, false }, 0, true },
	{ "without SA_RESTART",           { 0, 0 },                   { true, false },  1, false },
	{ "with SA_RESTART",              { SA_RESTART, 0 },          { true, false },  1, true },
	{ "two, the first without",       { 0, SA_RESTART },          { true, true },   1, false },
	{ "two, the first with",          { SA_RESTART, 0 },          { true, true },   1, true },
	{ "two, both with",               { SA_RESTART, SA_RESTART }, { true, true },   1, true },
};

static void test_restart(void **state)
{
	for (size_t i = 0; i < GR_LENGTH(restarts); i++) {
		const struct restart_row *r = &restarts[i];
		bool restart = !r->restart;

		setup(state);
		print_message("  %s\n", r->when);
		act(SIGUSR1, handler, r->flags[0], 0);
		act(SIGUSR2, handler, r->flags[1], 0);
		for (int k = 0; k < 2; k++)
			if (r->sent[k])
				raise_for(self(), k ? SIGUSR2 : SIGUSR1, k);
		assert_int_equal(gr_signal_deliver(&restart), r->ran);
		assert_int_equal(restart, r->restart);
	}
}

static void test_mask_in_the_handler(void **state)
{
	(void)state;
	act(SIGUSR1, handler, 0, BIT(SIGALRM));
	raise_for(self(), SIGUSR1, 0);
	deliver();
	assert_int_equal(mask_in_handler, BIT(SIGUSR1) | BIT(SIGALRM));
	act(SIGUSR1, handler, SA_NODEFER, BIT(SIGALRM));
	raise_for(self(), SIGUSR1, 0);
	deliver();
	assert_int_equal(mask_in_handler, BIT(SIGALRM));
	assert_int_equal(kernel_mask(), 0);
	assert_int_equal(self()->sigmask, 0);
}

static void test_resethand(void **state)
{
	struct gr_action now;

	(void)state;
	act(SIGUSR1, handler, SA_RESETHAND, 0);
	raise_for(self(), SIGUSR1, 1);
	assert_int_equal(deliver(), 1);
	assert_int_equal(gr_signal_action(SIGUSR1, NULL, &now), 0);
	assert_ptr_equal(now.handler, SIG_DFL);
}

static void test_actions_are_the_programs(void **state)
{
	struct gr_action was, kill = { .handler = handler };

	(void)state;
	act(SIGUSR1, handler, SA_RESTART, BIT(SIGKILL) | BIT(SIGUSR2));
	assert_int_equal(gr_signal_action(SIGUSR1, NULL, &was), 0);
	assert_ptr_equal(was.handler, handler);
	assert_int_equal(was.flags, SA_RESTART | SA_SIGINFO);
	assert_int_equal(was.mask, BIT(SIGUSR2));
	assert_int_equal(gr_signal_action(SIGKILL, &kill, NULL), -EINVAL);
	assert_int_equal(gr_signal_action(SIGSTOP, &kill, NULL), -EINVAL);
	assert_int_equal(gr_signal_action(0, NULL, &was), -EINVAL);
	assert_int_equal(gr_signal_action(65, NULL, &was), -EINVAL);
}

/* --- masks of greenlets ------------------------------------------------------------------------------------------------ */

static uint64_t mask_in_hub;

static void look(struct gr_hub_job *job)
{
	(void)job;
	mask_in_hub = kernel_mask();
}

static void blocks(void *mask)
{
	uint64_t mine = (uintptr_t)mask;

	gr_signal_set_mask(mine);
	for (int i = 0; i < 3; i++) {
		gr_yield();
		note("%s", self()->sigmask == mine && kernel_mask() == BIT(SIGUSR1) ? "ok" : "lost");
	}
	gr_park("test", gr_deadline(GR_MS(2)), 0);
}

static void test_every_greenlet_has_its_mask_and_the_kernel_the_common_one(void **state)
{
	struct gr_hub_job job = { .fn = look };

	(void)state;
	gr_signal_set_mask(BIT(SIGUSR1) | BIT(SIGALRM));
	world_go("a", blocks, (void *)(BIT(SIGUSR1) | BIT(SIGUSR2)));
	world_go("b", blocks, (void *)BIT(SIGUSR1));
	gr_hub_call(&job);
	gr_park("test", gr_deadline(GR_MS(1)), 0);
	assert_int_equal(mask_in_hub, BIT(SIGUSR1));
	assert_int_equal(kernel_mask(), BIT(SIGUSR1));
	gr_signal_exact(BIT(SIGALRM));
	assert_int_equal(kernel_mask(), BIT(SIGUSR1) | BIT(SIGALRM));
	gr_signal_inexact();
	assert_true(world_run());
	assert_string_equal(world_log, "ok ok ok ok ok ok");
	gr_hub_call(&job);
	gr_park("test", gr_deadline(GR_MS(1)), 0);
	assert_int_equal(mask_in_hub, BIT(SIGUSR1) | BIT(SIGALRM));		/* the dead do not count */
}

static void odd_mask(void *n)
{
	gr_signal_set_mask(BIT(SIGUSR1) | ((uintptr_t)n << 33));
	gr_park("test", gr_deadline(GR_MS(5)), 0);
}

static void test_many_different_masks(void **state)
{
	struct gr_hub_job job = { .fn = look };

	(void)state;
	gr_signal_set_mask(BIT(SIGUSR1));
	for (uintptr_t i = 1; i <= 40; i++)
		world_go("a", odd_mask, (void *)i);
	gr_hub_call(&job);
	gr_park("test", gr_deadline(GR_MS(1)), 0);
	assert_int_equal(mask_in_hub, BIT(SIGUSR1));
	assert_true(world_run());
	gr_signal_set_mask(BIT(SIGUSR1) | BIT(SIGUSR2));
	gr_hub_call(&job);
	gr_park("test", gr_deadline(GR_MS(1)), 0);
	assert_int_equal(mask_in_hub, BIT(SIGUSR1) | BIT(SIGUSR2));
}

static void test_mask_until_return(void **state)
{
	(void)state;
	gr_signal_set_mask(BIT(SIGUSR1));
	gr_signal_set_mask_until_return(BIT(SIGUSR2));
	assert_int_equal(kernel_mask(), BIT(SIGUSR2));
	gr_signal_restore_mask();
	assert_int_equal(kernel_mask(), BIT(SIGUSR1));
	gr_signal_restore_mask();
	assert_int_equal(kernel_mask(), BIT(SIGUSR1));
}

static void test_unblocking_lets_the_pending_one_in(void **state)
{
	(void)state;
	gr_signal_set_mask(BIT(SIGUSR1) | BIT(SIGKILL));
	assert_int_equal(self()->sigmask, BIT(SIGUSR1));
	raise_for(self(), SIGUSR1, 1);
	assert_false(gr_signal_pending());
	assert_int_equal(deliver(), 0);
	gr_carrier()->todo = 0;
	gr_signal_set_mask(0);
	assert_true(gr_signal_pending());
	assert_true(gr_carrier()->todo & GR_TODO_SIGNAL);
	assert_int_equal(deliver(), 1);
	assert_string_equal(world_log, "usr1:1");
}

/* --- signals for others ------------------------------------------------------------------------------------------------ */

static void parks(void *flags)
{
	int r = gr_park("test", gr_deadline(GR_MS(5)), (unsigned)(uintptr_t)flags);

	note("%s=%s", me(), r == -EINTR ? "EINTR" : r == -ETIMEDOUT ? "TIMEDOUT" : "?");
	deliver();
}

static void parks_again(void *arg)
{
	raise_for(self(), SIGUSR1, 1);
	note("%d", gr_park("test", GR_NEVER, GR_PARK_INTR));
	note("%d", gr_park("test", gr_deadline(GR_MS(5)), 0));		/* not interruptible */
	(void)arg;
	deliver();
}

static void test_a_parked_one_is_woken(void **state)
{
	struct gr_greenlet *g = world_go("a", parks, (void *)GR_PARK_INTR);

	(void)state;
	gr_yield();
	raise_for(g, SIGUSR1, 1);
	assert_true(world_run());
	assert_string_equal(world_log, "a=EINTR usr1:1");
	assert_int_equal(took(), 0);
}

static void test_one_parked_for_good_is_not_woken(void **state)
{
	struct gr_greenlet *g = world_go("a", parks, NULL);

	(void)state;
	gr_yield();
	raise_for(g, SIGUSR1, 1);
	assert_true(world_run());
	assert_string_equal(world_log, "a=TIMEDOUT usr1:1");
}

static void test_a_pending_signal_keeps_from_parking(void **state)
{
	(void)state;
	world_go("a", parks_again, NULL);
	assert_true(world_run());
	assert_string_equal(world_log, "-4 -110 usr1:1");
}

static void blocks_and_parks(void *flags)
{
	gr_signal_set_mask(BIT(SIGUSR1));
	parks(flags);
}

static void test_a_blocked_signal_does_not_wake(void **state)
{
	struct gr_greenlet *g = world_go("a", blocks_and_parks, (void *)GR_PARK_INTR);

	(void)state;
	gr_yield();
	raise_for(g, SIGUSR1, 1);
	assert_int_equal(gr_signal_pending_set(g), BIT(SIGUSR1));
	assert_true(world_run());		/* and is forgotten with it */
	assert_string_equal(world_log, "a=TIMEDOUT");
}

static void test_what_main_blocks_goes_to_who_lets_it_in(void **state)
{
	(void)state;
	world_go("a", parks, (void *)GR_PARK_INTR);
	gr_signal_set_mask(BIT(SIGUSR1));
	gr_yield();
	kill(getpid(), SIGUSR1);		/* stays with the kernel until the hub, or "a", lets it in */
	assert_true(world_run());
	assert_string_equal(world_log, "a=EINTR usr1");
	assert_int_equal(took(), 0);
}

static void test_main_gets_what_it_lets_in(void **state)
{
	(void)state;
	world_go("a", parks, (void *)GR_PARK_INTR);
	gr_yield();
	kill(getpid(), SIGUSR1);
	gr_signal_collect();
	assert_int_equal(gr_signal_pending_set(self()), BIT(SIGUSR1));
	assert_int_equal(deliver(), 1);
	assert_true(world_run());
	assert_string_equal(world_log, "usr1 a=TIMEDOUT");
}

static void test_tgkill(void **state)
{
	struct gr_greenlet *g = world_go("a", parks, (void *)GR_PARK_INTR);
	int tid = g->tid;

	(void)state;
	gr_yield();
	assert_int_equal(green_tgkill(getpid(), tid, 0), 0);
	assert_int_equal(green_tgkill(getpid(), tid, 65), -EINVAL);
	assert_int_equal(green_tgkill(getpid(), tid, -1), -EINVAL);
	assert_int_equal(green_tgkill(getpid(), tid + 1, SIGUSR1), -ESRCH);
	assert_int_equal(green_tgkill(getpid(), tid, SIGUSR2), 0);
	assert_true(world_run());
	assert_string_equal(world_log, "a=EINTR usr2");
	assert_int_equal(green_tgkill(getpid(), tid, SIGUSR2), -ESRCH);
}

static void test_default_action_ends_the_process(void **state)
{
	struct gr_action dfl = { .handler = (void *)SIG_DFL };
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		gr_carrier()->pid = getpid();
		gr_carrier()->tid = getpid();
		gr_signal_action(SIGUSR1, &dfl, NULL);
		raise_for(self(), SIGUSR1, 0);
		deliver();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

/* --- the program's memory ---------------------------------------------------------------------------------------------- */

static void test_bad_pointers(void **state)
{
	char *page = mmap(NULL, 2 * GR_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *const bad[] = { NULL, (void *)8, (void *)-1, (void *)-4096l, (void *)0x0001000000000000ul, page + GR_PAGE - 4 };
	char mine[8] = "1234567", back[8];

	(void)state;
	world_takes_faults();
	munmap(page + GR_PAGE, GR_PAGE);
	for (size_t i = 0; i < GR_LENGTH(bad); i++) {
		assert_int_equal(gr_user_read(back, bad[i], sizeof(back)), -EFAULT);
		assert_int_equal(gr_user_write(bad[i], mine, sizeof(mine)), -EFAULT);
		assert_int_equal(gr_user_read(back, bad[i], 0), 0);
	}
	assert_int_equal(gr_user_write(page, mine, sizeof(mine)), 0);
	assert_int_equal(gr_user_read(back, page, sizeof(back)), 0);
	assert_string_equal(back, "1234567");
	assert_int_equal(gr_user_writable((uint32_t *)page), 0);
	assert_string_equal(page, "1234567");
	mprotect(page, GR_PAGE, PROT_READ);
	assert_int_equal(gr_user_writable((uint32_t *)page), -EFAULT);
	assert_int_equal(gr_user_write(page, mine, sizeof(mine)), -EFAULT);
	assert_int_equal(gr_user_read(back, page, sizeof(back)), 0);
	assert_int_equal(kernel_mask(), 0);
	munmap(page, GR_PAGE);
}

static void test_green_calls_with_bad_pointers(void **state)
{
	(void)state;
	world_takes_faults();
	assert_int_equal(green_rt_sigprocmask(SIG_SETMASK, (void *)8, NULL, 8), -EFAULT);
	assert_int_equal(green_rt_sigprocmask(SIG_SETMASK, NULL, (void *)8, 8), -EFAULT);
	assert_int_equal(green_rt_sigaction(SIGUSR1, (void *)8, NULL, 8), -EFAULT);
	assert_int_equal(green_rt_sigsuspend((void *)8, 8), -EFAULT);
	assert_int_equal(green_rt_sigsuspend((void *)8, 4), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_kernel_signal_inside_waits_for_delivery, setup),
		cmocka_unit_test_setup(test_siginfo_is_kept, setup),
		cmocka_unit_test_setup(test_the_highest_number_runs_first_and_equals_in_order, setup),
		cmocka_unit_test_setup(test_take, setup),
		cmocka_unit_test_setup(test_take_the_lowest_number_first, setup),
		cmocka_unit_test_setup(test_no_more_than_fit, setup),
		cmocka_unit_test_setup(test_ignoring_forgets_what_is_pending, setup),
		cmocka_unit_test_setup(test_restart, setup),
		cmocka_unit_test_setup(test_mask_in_the_handler, setup),
		cmocka_unit_test_setup(test_resethand, setup),
		cmocka_unit_test_setup(test_actions_are_the_programs, setup),
		cmocka_unit_test_setup(test_every_greenlet_has_its_mask_and_the_kernel_the_common_one, setup),
		cmocka_unit_test_setup(test_many_different_masks, setup),
		cmocka_unit_test_setup(test_mask_until_return, setup),
		cmocka_unit_test_setup(test_unblocking_lets_the_pending_one_in, setup),
		cmocka_unit_test_setup(test_a_parked_one_is_woken, setup),
		cmocka_unit_test_setup(test_one_parked_for_good_is_not_woken, setup),
		cmocka_unit_test_setup(test_a_pending_signal_keeps_from_parking, setup),
		cmocka_unit_test_setup(test_a_blocked_signal_does_not_wake, setup),
		cmocka_unit_test_setup(test_what_main_blocks_goes_to_who_lets_it_in, setup),
		cmocka_unit_test_setup(test_main_gets_what_it_lets_in, setup),
		cmocka_unit_test_setup(test_tgkill, setup),
		cmocka_unit_test_setup(test_default_action_ends_the_process, setup),
		cmocka_unit_test_setup(test_bad_pointers, setup),
		cmocka_unit_test_setup(test_green_calls_with_bad_pointers, setup),
	};

	return cmocka_run_group_tests(tests, world_begin_hub, NULL);
}
