/*
 * test_natives.c - pthread locks between greenlets and native threads: nobody sleeps for ever, nothing is done twice
 *
 * The real clock.  Two kinds of native threads: those pthread_create() makes in a program that is not patched, and those of the thread pool.
 */
#include "api.h"
#include "asan.h"
#include "futex_queue.h"
#include "numbers.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define GREENLETS	8
#define NATIVES		4
#define ALL		(GREENLETS + NATIVES)

static int rounds = 2000;

/* --- both kinds run the same ---------------------------------------------------------------------------------------------------- */

static void let_others(void)
{
	if (grove_current())
		grove_yield();
	else
		sched_yield();
}

/* GREENLETS greenlets and NATIVES native threads run @fn with numbers from 0 on, each kind in turn. */
static void run_all(void *(*fn)(void *))
{
	grove_greenlet *g[GREENLETS];
	pthread_t t[NATIVES];

	for (intptr_t i = 0; i < NATIVES; i++) {
		void *number = (void *)(3 * i);

		assert_int_equal(i % 2 ? gr_native_thread(&t[i], NULL, fn, number) : pthread_create(&t[i], NULL, fn, number), 0);
	}
	for (intptr_t i = 0; i < GREENLETS; i++)
		assert_non_null(g[i] = grove_spawn(fn, (void *)(i / 2 * 3 + i % 2 + 1)));
	assert_int_equal(grove_joinall(g, GREENLETS, 0, GROVE_SEC(50), 0), GREENLETS);
	for (int i = 0; i < GREENLETS; i++)
		grove_release(g[i]);
	for (int i = 0; i < NATIVES; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;
static sem_t sems[ALL];

/* --- locks ------------------------------------------------------------------------------------------------------------------------ */

static void *counts(void *arg)
{
	for (int i = 0; i < rounds; i++) {
		void *p = malloc((size_t)(i % 5000) + 1);
		long was;

		pthread_mutex_lock(&mutex);
		was = counter;
		if (i % 16 == 0)
			let_others();
		counter = was + 1;
		pthread_mutex_unlock(&mutex);
		free(p);
	}
	return arg;
}

static void test_mutex(void **state)
{
	(void)state;
	counter = 0;
	run_all(counts);
	assert_int_equal(counter, (long)ALL * rounds);
}

/* Where some wakes would not be heard of, greenlets wait in the kernel: slow, and right. */
static void test_mutex_in_the_kernel(void **state)
{
	int was = rounds;

	(void)state;
	counter = 0;
	rounds /= 10;
	gr_carrier()->ungated = true;
	run_all(counts);
	gr_carrier()->ungated = false;
	assert_int_equal(counter, (long)ALL * rounds);
	rounds = was;
}

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
	sem_post(&sems[2]);
}

static void *counts_ticks(void *arg)
{
	for (int i = 0; i < rounds / 50; i++) {
		while (sem_wait(&sems[2]) < 0)
			;
		counts(arg);
	}
	return arg;
}

/* Handlers run on threads of both kinds, in the middle of anything. */
static void test_with_signals(void **state)
{
	struct itimerval every = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	int was = rounds;

	(void)state;
	counter = 0;
	rounds = 1000;
	sem_init(&sems[2], 0, 0);
	signal(SIGALRM, on_tick);
	setitimer(ITIMER_REAL, &every, NULL);
	run_all(counts_ticks);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	assert_int_equal(counter, (long)ALL * (rounds / 50) * rounds);
	rounds = was;
}

static void *takes_turns(void *arg)
{
	intptr_t me = (intptr_t)arg;

	for (int i = 0; i < rounds / 20; i++) {
		pthread_mutex_lock(&mutex);
		while (counter % ALL != me)
			pthread_cond_wait(&cond, &mutex);
		counter++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static void test_condition_all(void **state)
{
	(void)state;
	counter = 0;
	run_all(takes_turns);
	assert_int_equal(counter, (long)ALL * (rounds / 20));
}

/* a buffer with room for three */
static pthread_cond_t has_room = PTHREAD_COND_INITIALIZER, has_some = PTHREAD_COND_INITIALIZER;
static int filled;
static long got;

static void put(void)
{
	pthread_mutex_lock(&mutex);
	while (filled == 3)
		pthread_cond_wait(&has_room, &mutex);
	filled++;
	pthread_cond_signal(&has_some);
	pthread_mutex_unlock(&mutex);
}

static void get(void)
{
	pthread_mutex_lock(&mutex);
	while (filled == 0)
		pthread_cond_wait(&has_some, &mutex);
	filled--;
	got++;
	pthread_cond_signal(&has_room);
	pthread_mutex_unlock(&mutex);
}

/* of each kind as many put as get */
static void *puts_or_gets(void *arg)
{
	intptr_t me = (intptr_t)arg;

	for (int i = 0; i < rounds; i++)
		if ((me % 3 ? me : me / 3) % 2)
			put();
		else
			get();
	return arg;
}

static void test_condition_one(void **state)
{
	(void)state;
	got = 0;
	run_all(puts_or_gets);
	assert_int_equal(got, (long)ALL / 2 * rounds);
	assert_int_equal(filled, 0);
}

/* Each wakes the next; the first starts. */
static void *passes_on(void *arg)
{
	intptr_t me = (intptr_t)arg;

	for (int i = 0; i < rounds / 4; i++) {
		while (sem_wait(&sems[me]) < 0)
			;
		counter++;
		sem_post(&sems[(me + 1) % ALL]);
	}
	return arg;
}

static void test_semaphores(void **state)
{
	(void)state;
	counter = 0;
	for (int i = 0; i < ALL; i++)
		sem_init(&sems[i], 0, i == 0);
	run_all(passes_on);
	assert_int_equal(counter, (long)ALL * (rounds / 4));
}

static pthread_barrier_t barrier;
static long arrived[ALL];

static void *meets(void *arg)
{
	intptr_t me = (intptr_t)arg;

	for (int i = 1; i <= rounds / 20; i++) {
		__atomic_store_n(&arrived[me], i, __ATOMIC_RELAXED);
		pthread_barrier_wait(&barrier);
		for (int k = 0; k < ALL; k++)
			if (__atomic_load_n(&arrived[k], __ATOMIC_RELAXED) < i)
				__atomic_store_n(&counter, -1, __ATOMIC_RELAXED);
		pthread_barrier_wait(&barrier);
	}
	return arg;
}

static void test_barrier(void **state)
{
	(void)state;
	counter = 0;
	pthread_barrier_init(&barrier, NULL, ALL);
	run_all(meets);
	assert_int_equal(counter, 0);
	pthread_barrier_destroy(&barrier);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long twice[2];

static void *reads_and_writes(void *arg)
{
	for (int i = 0; i < rounds / 2; i++) {
		if (i % 4) {
			pthread_rwlock_rdlock(&rwlock);
			if (twice[0] != twice[1])
				__atomic_store_n(&counter, -1, __ATOMIC_RELAXED);
		} else {
			pthread_rwlock_wrlock(&rwlock);
			twice[0]++;
			let_others();
			twice[1]++;
		}
		pthread_rwlock_unlock(&rwlock);
	}
	return arg;
}

static void test_rwlock(void **state)
{
	(void)state;
	counter = twice[0] = twice[1] = 0;
	run_all(reads_and_writes);
	assert_int_equal(counter, 0);
	assert_int_equal(twice[1], (long)ALL * (rounds / 8));
}

static struct timespec in_ms(int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += ms * 1000000L;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

/* Waits that time out while others are woken: no wake is lost with them. */
static void *tries_for_a_while(void *arg)
{
	for (int i = 0; i < rounds / 10; i++) {
		struct timespec until = in_ms(1);

		if (sem_timedwait(&sems[0], &until) == 0) {
			__atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
			if (i % 8)
				let_others();
			sem_post(&sems[0]);
		}
	}
	return arg;
}

static void test_timed_waits(void **state)
{
	int left;

	(void)state;
	counter = 0;
	sem_init(&sems[0], 0, 2);
	run_all(tries_for_a_while);
	sem_getvalue(&sems[0], &left);
	assert_int_equal(left, 2);
	assert_true(counter > 0);
}

/* --- ends that only the kernel tells of ---------------------------------------------------------------------------------------------- */

static pthread_mutex_t robust;

static void *locks_and_ends(void *arg)
{
	usleep(20000);
	return arg ? arg : (void *)(intptr_t)pthread_mutex_lock(&robust);
}

static void new_robust(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
	pthread_mutexattr_destroy(&attr);
}

static void *gets_robust(void *arg)
{
	int err = pthread_mutex_lock(&robust);

	(void)arg;
	if (err == EOWNERDEAD) {
		pthread_mutex_consistent(&robust);
		pthread_mutex_unlock(&robust);
	}
	return (void *)(intptr_t)err;
}

static void *locks_then_sleeps(void *arg)
{
	pthread_mutex_lock(&robust);
	usleep(50000);
	return arg;
}

static void test_robust_mutex_of_a_native_thread(void **state)
{
	pthread_t t;
	void *err;
	grove_greenlet *g;

	(void)state;
	new_robust();
	pthread_create(&t, NULL, locks_then_sleeps, NULL);
	grove_sleep(GROVE_MS(20));
	g = grove_spawn(gets_robust, NULL);
	assert_int_equal(grove_get(g, &err, GROVE_SEC(10)), 0);
	assert_int_equal((intptr_t)err, EOWNERDEAD);
	grove_release(g);
	assert_int_equal(pthread_join(t, NULL), 0);
	pthread_mutex_destroy(&robust);
}

static void test_robust_mutex_of_a_greenlet(void **state)
{
	grove_greenlet *g;
	pthread_t t;
	void *err;

	(void)state;
	new_robust();
	g = grove_spawn(locks_and_ends, NULL);
	grove_yield();
	pthread_create(&t, NULL, gets_robust, NULL);
	assert_int_equal(grove_join(g, GROVE_SEC(10)), 0);
	assert_int_equal(pthread_join(t, &err), 0);
	assert_true((intptr_t)err == EOWNERDEAD || (intptr_t)err == 0);
	grove_release(g);
	pthread_mutex_destroy(&robust);
}

static void *joins(void *arg)
{
	void *value;

	pthread_join((pthread_t)arg, &value);
	return value;
}

static void *sleeps(void *arg)
{
	usleep((useconds_t)(intptr_t)arg);
	return arg;
}

/* A greenlet joins a native thread, and meanwhile others run. */
static void test_join_a_native_thread(void **state)
{
	grove_greenlet *g;
	pthread_t t;
	void *value;

	(void)state;
	pthread_create(&t, NULL, sleeps, (void *)30000);
	g = grove_spawn(joins, (void *)t);
	grove_yield();
	assert_false(grove_ready(g));
	assert_int_equal(grove_get(g, &value, GROVE_SEC(10)), 0);
	assert_int_equal((intptr_t)value, 30000);
	grove_release(g);
}

static int cleaned;

static void clean(void *arg)
{
	cleaned++;
	pthread_mutex_unlock(arg);
}

static void *waits_for_cond(void *arg)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(clean, &mutex);
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(1);
	return arg;
}

static void *waits_for_sem(void *arg)
{
	sem_wait(&sems[1]);
	return arg;
}

static void test_cancel_native_threads(void **state)
{
	pthread_t t[2];
	void *value;

	(void)state;
	sem_init(&sems[1], 0, 0);
	cleaned = 0;
	pthread_create(&t[0], NULL, waits_for_cond, NULL);
	pthread_create(&t[1], NULL, waits_for_sem, NULL);
	grove_sleep(GROVE_MS(20));
	for (int i = 0; i < 2; i++) {
		pthread_cancel(t[i]);
		assert_int_equal(pthread_join(t[i], &value), 0);
		assert_ptr_equal(value, PTHREAD_CANCELED);
	}
	assert_int_equal(cleaned, 1);
}

/* --- futex(2) itself --------------------------------------------------------------------------------------------------------------------- */

#define WORDS	3000			/* more than wakes on their way have room */

static uint32_t words[WORDS];
static long woken, native_saw[8];

static long futex(uint32_t *word, int op, uint32_t val, uintptr_t val2, uint32_t *word2, uint32_t val3)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, val2, word2, val3);
}

static void *waits_for_word(void *arg)
{
	uint32_t *word = arg;

	while (!__atomic_load_n(word, __ATOMIC_SEQ_CST))
		futex(word, FUTEX_WAIT, 0, 0, NULL, 0);
	woken++;
	return NULL;
}

static volatile int flood_done;		/* no bool: gcc 12 reads that once only where it checks its value (-fsanitize=bool) */

static void *floods(void *arg)
{
	for (int i = 0; i < WORDS; i++) {
		__atomic_store_n(&words[i], 1, __ATOMIC_SEQ_CST);
		futex(&words[i], FUTEX_WAKE, 1, 0, NULL, 0);
	}
	flood_done = true;
	return arg;
}

/* While the carrier does not look, more wakes come than there is room for. */
static void test_flood_of_wakes(void **state)
{
	grove_greenlet **g = calloc(WORDS, sizeof(*g));
	pthread_t t;

	(void)state;
	memset(words, 0, sizeof(words));
	woken = 0;
	flood_done = false;
	for (int i = 0; i < WORDS; i++)
		g[i] = grove_spawn(waits_for_word, &words[i]);
	grove_yield();
	assert_int_equal(pthread_create(&t, NULL, floods, NULL), 0);
	while (!flood_done)
		;
	assert_int_equal(grove_joinall(g, WORDS, 0, GROVE_SEC(20), 0), WORDS);
	assert_int_equal(woken, WORDS);
	pthread_join(t, NULL);
	for (int i = 0; i < WORDS; i++)
		grove_release(g[i]);
	free(g);
}

static void *wakes_in_many_ways(void *arg)
{
	__atomic_store_n(&words[0], 1, __ATOMIC_SEQ_CST);
	native_saw[0] = futex(&words[0], FUTEX_WAKE_BITSET, INT_MAX, 0, NULL, 2);
	__atomic_store_n(&words[1], 1, __ATOMIC_SEQ_CST);
	native_saw[1] = futex(&words[1], FUTEX_CMP_REQUEUE, 1, INT_MAX, &words[9], 1);
	__atomic_store_n(&words[2], 1, __ATOMIC_SEQ_CST);
	native_saw[2] = futex(&words[2], FUTEX_REQUEUE, 0, 1, &words[9], 0);
	native_saw[3] = futex(&words[8], FUTEX_WAKE_OP, 1, 1, &words[3], FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0));
	native_saw[4] = futex(&words[4], FUTEX_CMP_REQUEUE, 1, 1, &words[9], 7) < 0 ? -errno : 0;
	__atomic_store_n(&words[4], 1, __ATOMIC_SEQ_CST);
	native_saw[5] = futex(&words[4], FUTEX_WAKE, 0, 0, NULL, 0);
	return arg;
}

static void test_each_operation_that_wakes(void **state)
{
	grove_greenlet *g[5];
	pthread_t t;

	(void)state;
	memset(words, 0, sizeof(words));
	woken = 0;
	for (int i = 0; i < 5; i++)
		g[i] = grove_spawn(waits_for_word, &words[i]);
	grove_yield();
	pthread_create(&t, NULL, wakes_in_many_ways, NULL);
	assert_int_equal(grove_joinall(g, 5, 0, GROVE_SEC(10), 0), 5);
	assert_int_equal(woken, 5);
	pthread_join(t, NULL);
	assert_int_equal(native_saw[3], 0);
	assert_int_equal(native_saw[4], -EAGAIN);
	for (int i = 0; i < 5; i++)
		grove_release(g[i]);
}

static void *waits_for_either(void *arg)
{
	struct futex_waitv v[2] = {
		{ .uaddr = (uintptr_t)&words[0], .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
		{ .uaddr = (uintptr_t)&words[1], .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
	};
	long r = syscall(SYS_futex_waitv, v, 2, 0, NULL, 0);

	(void)arg;
	return (void *)(r < 0 ? (long)-errno : r);
}

static void *wakes_the_second(void *arg)
{
	usleep(20000);
	__atomic_store_n(&words[1], 1, __ATOMIC_SEQ_CST);
	futex(&words[1], FUTEX_WAKE, 1, 0, NULL, 0);
	return arg;
}

static void test_waitv(void **state)
{
	void *(*const wakes)(void *) = wakes_the_second;

	(void)state;
	for (int native_waits = 0; native_waits < 2; native_waits++) {
		grove_greenlet *g;
		pthread_t t;
		void *r;

		memset(words, 0, sizeof(words));
		pthread_create(&t, NULL, native_waits ? waits_for_either : wakes, NULL);
		g = grove_spawn(native_waits ? wakes : waits_for_either, NULL);
		assert_int_equal(grove_get(g, &r, GROVE_SEC(10)), 0);
		if (native_waits)
			pthread_join(t, &r);
		else
			pthread_join(t, NULL);
		assert_int_equal((intptr_t)r, 1);
		grove_release(g);
	}
}

/* The calls of Linux 6.7, which tell the size of the word: 2 is that of 32 bits. */
#define SIZED	(2 | FUTEX_PRIVATE_FLAG)

static void *waits_sized(void *arg)
{
	uint32_t *word = arg;

	while (!__atomic_load_n(word, __ATOMIC_SEQ_CST))
		syscall(SYS_futex_wait, word, 0ul, 0xfffffffful, SIZED, NULL, 0);
	return word;
}

static void *wakes_sized(void *arg)
{
	uint32_t *word = arg;

	usleep(20000);
	__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
	return (void *)syscall(SYS_futex_wake, word, 0xfffffffful, 1, SIZED);
}

static void *moves_sized(void *arg)
{
	uint32_t *word = arg;
	struct futex_waitv w[2] = {
		{ .val = 1, .uaddr = (uintptr_t)word, .flags = SIZED },
		{ .uaddr = (uintptr_t)&words[9], .flags = SIZED },
	};

	usleep(20000);
	__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex_requeue, w, 0, 0, 1);
	return (void *)syscall(SYS_futex_wake, &words[9], 0xfffffffful, 9, SIZED);
}

static void test_sized(void **state)
{
	void *(*const wakers[])(void *) = { wakes_sized, moves_sized };

	(void)state;
	if (syscall(SYS_futex_wake, &words[0], 1ul, 0, SIZED) < 0)
		skip();		/* ENOSYS */
	for (int i = 0; i < 4; i++) {
		void *(*const waker)(void *) = wakers[i / 2], *r;
		grove_greenlet *g;
		pthread_t t;

		memset(words, 0, sizeof(words));
		pthread_create(&t, NULL, i % 2 ? waits_sized : waker, &words[0]);
		g = grove_spawn(i % 2 ? waker : waits_sized, &words[0]);
		assert_int_equal(grove_get(g, &r, GROVE_SEC(10)), 0);
		pthread_join(t, &r);
		grove_release(g);
	}
}

/* Waiting greenlets cost the kernel nothing: with idle native threads a hand-over stays among greenlets. */
static void test_hand_over_without_the_kernel(void **state)
{
	struct gr_carrier *c = gr_carrier();

	(void)state;
	assert_true(c->natives);
	assert_false(c->ungated);
	assert_false(gr_futex_waits_in_kernel((uint32_t *)&mutex, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2));
	assert_true(gr_futex_waits_in_kernel((uint32_t *)&mutex, FUTEX_WAIT, 2));
	assert_false(gr_futex_waits_in_kernel((uint32_t *)&mutex, FUTEX_WAIT, (uint32_t)c->main->tid));
}

static void *forks(void *arg)
{
	int pid = fork(), status = -1;

	if (pid == 0) {
		grove_greenlet *g;

		forked_child();
		alarm(20);
		g = grove_spawn(counts, NULL);
		_exit(grove_join(g, GROVE_SEC(10)) == 0 ? 3 : 4);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	return (void *)(intptr_t)(arg ? 0 : status);
}

/* In the child nobody is native, and nothing is on its way. */
static void test_forked_child(void **state)
{
	grove_greenlet *g;
	void *status;

	(void)state;
	g = grove_spawn(forks, NULL);
	assert_int_equal(grove_get(g, &status, GROVE_SEC(30)), 0);
	assert_int_equal((intptr_t)status, 3 << 8);
	grove_release(g);
}

/* --- counting them ------------------------------------------------------------------------------------------------------------------------- */

static void *writes_at_last(void *arg)
{
	usleep(20000);
	return write((int)(intptr_t)arg, "n", 1) == 1 ? arg : NULL;
}

static void *makes_one_more(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, writes_at_last, arg);
	return NULL;
}

/* By then the main thread has ended, and so have all greenlets: the process ends with its last native thread. */
static void test_native_thread_is_the_last(void **state)
{
	int fds[2], status = -1, pid;
	char c = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	for (int nested = 0; nested < 2; nested++) {
		pid = fork();
		if (pid == 0) {
			pthread_t t;

			forked_child();
			alarm(20);
			grove_spawn_raw(counts, NULL);
			pthread_create(&t, NULL, nested ? makes_one_more : writes_at_last, (void *)(intptr_t)fds[1]);
			pthread_exit(NULL);
		}
		while (waitpid(pid, &status, 0) < 0)
			;
		assert_int_equal(status, 0);
		assert_int_equal(read(fds[0], &c, 1), 1);
	}
	close(fds[0]);
	close(fds[1]);
}

static void test_nobody_left_once_they_have_ended(void **state)
{
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, sleeps, (void *)1000);
	pthread_join(t, NULL);
	assert_int_equal(grove_run_forever(), -1);
	assert_int_equal(errno, EDEADLK);
}

static int begin(void **state)
{
	(void)state;
	if (getenv("ROUNDS"))
		rounds = atoi(getenv("ROUNDS"));
	return gr_here() ? 0 : -1;
}

/* --- signals -------------------------------------------------------------------------------------------------------------------- */

static volatile pthread_t handled_by;
static volatile int handled_value, handled_times, mask_had_usr2, usr1_open;
static pthread_t target;
static sem_t told;

static void on_usr1(int sig, siginfo_t *info, void *context)
{
	sigset_t now;

	(void)sig, (void)context;
	handled_by = pthread_self();
	handled_value = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	mask_had_usr2 = sigismember(&now, SIGUSR2);
	usr1_open = !sigismember(&now, SIGUSR1);
	handled_times++;
}

static void *native_sends(void *arg)
{
	struct sigaction sa = { .sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_NODEFER }, now;
	sigset_t set;

	(void)arg;
	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGUSR2);
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, NULL, &now), 0);
	assert_ptr_equal(now.sa_sigaction, on_usr1);
	assert_int_equal(sigaction(77, &sa, NULL), -1);
	assert_int_equal(syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8), -1);
	assert_int_equal(errno, EFAULT);
	raise(SIGUSR1);
	assert_int_equal(handled_times, 1);
	assert_true(pthread_equal(handled_by, pthread_self()));
	assert_true(mask_had_usr2 && usr1_open);
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	assert_false(sigismember(&set, SIGUSR2));
	sem_wait(&told);
	assert_int_equal(pthread_sigqueue(target, SIGUSR1, (union sigval){ .sival_int = 42 }), 0);
	return NULL;
}

static void *is_told(void *arg)
{
	(void)arg;
	target = pthread_self();
	sem_post(&told);
	while (handled_times < 2)
		grove_sleep(GROVE_MS(1));
	return NULL;
}

/* The table of actions is one for all; a native thread's handlers run with the mask asked for, and it reaches a greenlet by pthread_kill(). */
static void test_signals_of_native_threads(void **state)
{
	grove_greenlet *g;
	pthread_t t;

	(void)state;
	sem_init(&told, 0, 0);
	assert_non_null(g = grove_spawn(is_told, NULL));
	assert_int_equal(pthread_create(&t, NULL, native_sends, NULL), 0);
	assert_int_equal(grove_join(g, GROVE_SEC(20)), 0);
	grove_release(g);
	pthread_join(t, NULL);
	assert_int_equal(handled_times, 2);
	assert_int_equal(handled_value, 42);
	assert_true(pthread_equal(handled_by, target));
	signal(SIGUSR1, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_mutex),
		api_test(test_mutex_in_the_kernel),
		api_test(test_with_signals),
		api_test(test_condition_all),
		api_test(test_condition_one),
		api_test(test_semaphores),
		api_test(test_barrier),
		api_test(test_rwlock),
		api_test(test_timed_waits),
		api_test(test_robust_mutex_of_a_native_thread),
		api_test(test_robust_mutex_of_a_greenlet),
		api_test(test_join_a_native_thread),
		api_test(test_cancel_native_threads),
		api_test(test_signals_of_native_threads),
		api_test(test_hand_over_without_the_kernel),
		api_test(test_flood_of_wakes),
		api_test(test_each_operation_that_wakes),
		api_test(test_waitv),
		api_test(test_sized),
		api_test(test_forked_child),
		api_test(test_native_thread_is_the_last),
		api_test(test_nobody_left_once_they_have_ended),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
