/* test_ipc.c - semaphores and message queues: what is tried without waiting, and what then goes where */
#include "fake_wait.h"
#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

static long offload_result;

static long waits(long nr, long a, long b, long c, long d, long e)
{
	(void)nr, (void)a, (void)b, (void)c, (void)d, (void)e;
	return offload_result;
}

static void test_semop(void **state)
{
	int id = semget(IPC_PRIVATE, 2, 0600);
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, 0 }, try = { 0, -1, IPC_NOWAIT }, mixed[2] = { { 1, -1, 0 }, try }, many[100] = { 0 };
	struct timespec bad = { -1, 0 };

	(void)state;
	assert_true(id >= 0);
	fake_start(NULL);
	fake_offload = waits;
	assert_int_equal(green_semop(id, &up, 1), 0);
	assert_int_equal(green_semop(id, &down, 1), 0);
	assert_int_equal(down.sem_flg, 0);
	assert_int_equal(green_semop(id, &try, 1), -EAGAIN);
	assert_int_equal(green_semop(id, BAD_POINTER, 1), -EFAULT);
	assert_int_equal(green_semop(id, &up, 0), -EINVAL);
	assert_int_equal(green_semop(id + 1000, &down, 1), -EINVAL);
	assert_int_equal(green_semtimedop(id, &down, 1, &bad), -EINVAL);
	assert_int_equal(green_semtimedop(id, &down, 1, BAD_POINTER), -EFAULT);
	assert_string_equal(fake_log, "");
	offload_result = -GR_ERESTART;
	assert_int_equal(green_semop(id, &down, 1), -EINTR);
	offload_result = 0;
	assert_int_equal(green_semop(id, mixed, 2), 0);
	assert_int_equal(green_semop(id, many, 100), 0);
	assert_string_equal(fake_log, "offload(220) offload(220) offload(220)");
	semctl(id, 0, IPC_RMID);
}

static void test_messages(void **state)
{
	int id = msgget(IPC_PRIVATE, 0600);
	struct {
		long type;
		char text[16];
	} m = { 3, "hello" };

	(void)state;
	assert_true(id >= 0);
	fake_start(NULL);
	fake_offload = waits;
	assert_int_equal(green_msgsnd(id, &m, 6, 0), 0);
	assert_int_equal(green_msgrcv(id, &m, 16, 0, 0), 6);
	assert_int_equal(green_msgrcv(id, &m, 16, 0, IPC_NOWAIT), -ENOMSG);
	assert_int_equal(green_msgrcv(id, &m, 16, 0, MSG_COPY), -EINVAL);
	assert_int_equal(green_msgsnd(id, BAD_POINTER, 6, 0), -EFAULT);
	assert_string_equal(fake_log, "");
	offload_result = -GR_ERESTART;
	assert_int_equal(green_msgrcv(id, &m, 16, 0, 0), -EINTR);
	while (green_msgsnd(id, &m, 16, IPC_NOWAIT) == 0)
		;
	offload_result = -EIDRM;
	assert_int_equal(green_msgsnd(id, &m, 16, 0), -EIDRM);
	assert_string_equal(fake_log, "offload(70) offload(69)");
	msgctl(id, IPC_RMID, NULL);
}

/* --- POSIX queues --------------------------------------------------------------------------------------------------------------- */

static mqd_t mq;
static char name[32];

static int open_mq(void **state)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 16 };

	(void)state;
	snprintf(name, sizeof(name), "/grove-test-%d", getpid());
	mq = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	return 0;
}

static int close_mq(void **state)
{
	(void)state;
	if (mq != (mqd_t)-1)
		mq_close(mq);
	mq_unlink(name);
	return 0;
}

static int somebody_sends(int n)
{
	return n < 2 ? 0 : mq_send(mq, "x", 1, 5);
}

static int somebody_takes(int n)
{
	char buf[16];

	(void)n;
	return mq_receive(mq, buf, sizeof(buf), NULL) == 1 ? 0 : -1;
}

static int signals(int n)
{
	(void)n;
	return -EINTR;
}

/* --- a thread for each receiver, as long as there are */

unsigned gr_offload_max[2], gr_offload_queue_max;

void gr_offload_get_stats(struct gr_offload_stats *ret_stats)
{
	*ret_stats = (struct gr_offload_stats){ 0 };
}

static void test_mq(void **state)
{
	struct timespec past = { 1, 0 }, bad = { 0, -1 }, soon;
	char buf[16];
	unsigned prio;

	(void)state;
	if (mq == (mqd_t)-1)
		skip();
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += 1000;
	fake_start(NULL);
	assert_int_equal(green_mq_timedreceive(mq, buf, 16, &prio, &past), -ETIMEDOUT);
	assert_int_equal(green_mq_timedreceive(mq, buf, 16, &prio, &bad), -EINVAL);
	assert_int_equal(green_mq_timedreceive(mq, buf, 16, &prio, BAD_POINTER), -EFAULT);
	assert_int_equal(green_mq_timedreceive(mq, buf, 1, &prio, NULL), -EMSGSIZE);
	assert_int_equal(green_mq_timedreceive(999, buf, 1, &prio, NULL), -EBADF);
	assert_string_equal(fake_log, "");
	fake_start(somebody_sends);
	assert_int_equal(green_mq_timedreceive(mq, buf, 16, &prio, NULL), 1);
	assert_int_equal(prio, 5);
	assert_string_equal(fake_log, "fd(r) fd(r) fd(r)");
	gr_offload_max[0] = 1;
	fake_start(NULL);
	assert_int_equal(green_mq_timedreceive(mq, buf, 16, &prio, &soon), -GR_ERESTART);
	assert_string_equal(fake_log, "offload(243)");
	gr_offload_max[0] = 0;
	fake_start(signals);
	assert_int_equal(green_mq_timedreceive(mq, buf, 16, &prio, &soon), -GR_ERESTART);
	assert_int_equal(green_mq_timedsend(mq, "a", 1, 0, &soon), 0);
	assert_int_equal(green_mq_timedsend(mq, "b", 1, 0, &past), -ETIMEDOUT);
	assert_int_equal(green_mq_timedsend(mq, "b", 1, 40000, NULL), -EINVAL);
	fake_start(somebody_takes);
	assert_int_equal(green_mq_timedsend(mq, "b", 1, 0, &soon), 0);
	assert_string_equal(fake_log, "fd(w)");
}

static void test_mq_nonblocking(void **state)
{
	struct mq_attr attr = { .mq_flags = O_NONBLOCK };
	char buf[16];

	(void)state;
	if (mq == (mqd_t)-1)
		skip();
	mq_setattr(mq, &attr, NULL);
	fake_start(NULL);
	assert_int_equal(green_mq_timedreceive(mq, buf, 16, NULL, NULL), -EAGAIN);
	assert_string_equal(fake_log, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_semop),
		cmocka_unit_test(test_messages),
		cmocka_unit_test_setup_teardown(test_mq, open_mq, close_mq),
		cmocka_unit_test_setup_teardown(test_mq_nonblocking, open_mq, close_mq),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
