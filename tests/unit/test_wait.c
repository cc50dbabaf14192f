/* test_wait.c - wait4 and waitid with real children, which end while the caller is parked */
#include "fake_wait.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD		3
#endif

static pid_t child;

static void have_child(void)
{
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		for (;;)
			pause();
}

static int child_ends(int n)
{
	siginfo_t info;

	(void)n;
	kill(child, SIGKILL);
	return waitid(P_PID, child, &info, WEXITED | WNOWAIT);
}

static int child_ends_and_is_reaped(int n)
{
	child_ends(n);
	return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static int signals(int n)
{
	(void)n;
	return -EINTR;
}

static long the_kernel(long nr, long a, long b, long c, long d, long e)
{
	child_ends(0);
	return raw(nr, a, b, c, d, e);
}

static void test_wait4(void **state)
{
	struct rusage usage = { .ru_utime.tv_sec = -1 };
	int status = 0;

	(void)state;
	fake_start(child_ends);
	have_child();
	assert_int_equal(green_wait4(child, &status, WNOHANG, NULL), 0);
	assert_string_equal(fake_log, "");
	assert_int_equal(green_wait4(child, &status, 0, &usage), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && usage.ru_utime.tv_sec >= 0);
	assert_string_equal(fake_log, "fd(r)");
	assert_int_equal(green_wait4(child, &status, 0, NULL), -ECHILD);
	assert_int_equal(green_wait4(-1, &status, 0x40, NULL), -EINVAL);
	assert_string_equal(fake_log, "fd(r)");
	assert_int_equal(fake_own_fds, 0);
}

static void test_wait4_interrupted(void **state)
{
	int status;

	(void)state;
	have_child();
	fake_start(signals);
	assert_int_equal(green_wait4(child, NULL, 0, NULL), -GR_ERESTART);
	fake_start(child_ends_and_is_reaped);
	assert_int_equal(green_wait4(child, &status, 0, NULL), -ECHILD);
	assert_string_equal(fake_log, "fd(r)");
	assert_int_equal(fake_own_fds, 0);
}

static void test_wait4_any(void **state)
{
	int status;

	(void)state;
	have_child();
	fake_start(NULL);
	fake_offload = the_kernel;
	assert_int_equal(green_wait4(-1, &status, 0, NULL), child);
	assert_string_equal(fake_log, "offload(61)");
	have_child();
	assert_int_equal(green_wait4(child, &status, WUNTRACED, NULL), child);
	assert_string_equal(fake_log, "offload(61) offload(61)");
}

/* Ready without the child being there to be waited for, as when a debugger holds it: no busy loop. */
static int woken(int n)
{
	(void)n;
	return 0;
}

static void test_wait4_held(void **state)
{
	(void)state;
	have_child();
	fake_start(woken);
	fake_offload = the_kernel;
	assert_int_equal(green_wait4(child, NULL, 0, NULL), child);
	assert_string_equal(fake_log, "fd(r) offload(61)");
}

static void test_waitid(void **state)
{
	siginfo_t info;
	int pidfd;

	(void)state;
	have_child();
	fake_start(child_ends);
	memset(&info, 0x55, sizeof(info));
	assert_int_equal(green_waitid(P_PID, child, &info, WEXITED | WNOHANG, NULL), 0);
	assert_true(info.si_pid == 0 && info.si_signo == 0);
	assert_int_equal(green_waitid(P_PID, child, &info, WEXITED | WNOWAIT, NULL), 0);
	assert_true(info.si_pid == child && info.si_signo == SIGCHLD && info.si_code == CLD_KILLED && info.si_status == SIGKILL);
	assert_string_equal(fake_log, "fd(r)");
	assert_int_equal(green_waitid(P_PID, child, BAD_POINTER, WEXITED | WNOWAIT, NULL), -EFAULT);
	assert_int_equal(green_waitid(P_PID, child, NULL, WEXITED, NULL), 0);
	assert_int_equal(green_waitid(P_PID, child, &info, WEXITED, NULL), -ECHILD);
	assert_int_equal(green_waitid(P_ALL, 0, &info, 0, NULL), -EINVAL);

	have_child();
	pidfd = (int)raw(SYS_pidfd_open, child, 0);
	fake_start(child_ends);
	assert_int_equal(green_waitid(P_PIDFD, pidfd, &info, WEXITED, NULL), 0);
	assert_int_equal(info.si_pid, child);
	assert_string_equal(fake_log, "fd(r)");
	close(pidfd);

	have_child();
	pidfd = (int)raw(SYS_pidfd_open, child, O_NONBLOCK);
	fake_start(NULL);
	assert_int_equal(green_waitid(P_PIDFD, pidfd, &info, WEXITED, NULL), -EAGAIN);
	fake_offload = the_kernel;
	assert_int_equal(green_waitid(P_ALL, 0, &info, WEXITED, NULL), 0);
	assert_int_equal(info.si_pid, child);
	assert_string_equal(fake_log, "offload(247)");
	close(pidfd);
	assert_int_equal(fake_own_fds, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait4),
		cmocka_unit_test(test_wait4_interrupted),
		cmocka_unit_test(test_wait4_any),
		cmocka_unit_test(test_wait4_held),
		cmocka_unit_test(test_waitid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
