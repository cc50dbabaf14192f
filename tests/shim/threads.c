/* threads.c - making, joining and ending threads: attributes, stacks, names, numbers, and a thousand at once */
#include "t.h"
#include <limits.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define LEAST 16384	/* glibc's PTHREAD_STACK_MIN on this machine depends on its vector registers */

static int place, stop;

static void *give_back(void *arg)
{
	return arg;
}

static void *leave(void *arg)
{
	pthread_exit(arg);
}

static void *wait_stop(void *arg)
{
	t_here(&place);
	t_until(&stop, 1);
	return arg;
}

static void joins(void)
{
	struct timespec t;
	void *ret = NULL;
	pthread_t th;

	say("-- join");
	say("returned %ld", (long)join(start(give_back, (void *)5)));
	say("pthread_exit %ld", (long)join(start(leave, (void *)6)));
	P("join ourselves", pthread_join(pthread_self(), NULL));
	place = stop = 0;
	th = start(wait_stop, (void *)7);
	wait_parked(&place);
	P("tryjoin, alive", pthread_tryjoin_np(th, &ret));
	t = in(CLOCK_REALTIME, 20);
	P("timedjoin", pthread_timedjoin_np(th, &ret, &t));
	t = in(CLOCK_MONOTONIC, 20);
	P("clockjoin", pthread_clockjoin_np(th, &ret, CLOCK_MONOTONIC, &t));
	t = in(CLOCK_REALTIME, -20);
	P("timedjoin in the past", pthread_timedjoin_np(th, &ret, &t));
	t_set(&stop, 1);
	t = in(CLOCK_REALTIME, 30000);
	P("timedjoin", pthread_timedjoin_np(th, &ret, &t));
	say("it returned %ld", (long)ret);
	th = start(give_back, (void *)8);
	int r;
	while ((r = pthread_tryjoin_np(th, &ret)) == EBUSY)
		msleep(1);
	say("tryjoin in the end: %s, %ld", t_errname(r), (long)ret);
	stop = 0;
	th = start(wait_stop, NULL);
	P("detach", pthread_detach(th));
	P("detach again", pthread_detach(th));
	P("join a detached one", pthread_join(th, NULL));
	t_set(&stop, 1);
	th = start(give_back, NULL);
	msleep(5);
	P("join one long ended", pthread_join(th, NULL));
}

/* --- attributes and stacks --- */

__attribute__((noinline)) static long dig(int depth)
{
	volatile char room[4096];

	room[0] = depth;
	room[4095] = 1;
	return depth == 0 ? 0 : dig(depth - 1) + room[4095];
}

static void *dig_deep(void *arg)
{
	return (void *)dig((int)(intptr_t)arg);
}

struct asked {
	size_t stack, guard;
	void *base;
};

static void *about_me(void *arg)
{
	struct asked *a = arg;
	pthread_attr_t attr;
	void *base;
	size_t size, guard;
	char here;
	int state;

	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &base, &size);
	pthread_attr_getguardsize(&attr, &guard);
	pthread_attr_getdetachstate(&attr, &state);
	say("size as asked %d, guard as asked %d, on it %d, detached %d", size == a->stack, guard == a->guard,
	    (uintptr_t)&here - (uintptr_t)base < size, state == PTHREAD_CREATE_DETACHED);
	if (a->base)
		say("the stack we gave: %d", base == a->base);
	memset((char *)base, 1, 4096);		/* down to the last byte */
	pthread_attr_destroy(&attr);
	return NULL;
}

/* says nothing unless it fails: the new thread is talking */
static void create(const pthread_attr_t *attr, struct asked *a)
{
	pthread_t t;
	int r = pthread_create(&t, attr, about_me, a);

	if (r)
		say("create: %s", t_errname(r));
	else
		join(t);
}

static void stacks(void)
{
	const size_t sizes[] = { 16384, 65536, 300 * 1024, 1 << 20, 16 << 20, 256 << 20 };
	pthread_attr_t attr;
	pthread_t t;

	say("-- stacks");
	pthread_attr_init(&attr);
	P("too small", pthread_attr_setstacksize(&attr, LEAST - 1));
	for (unsigned i = 0; i < T_LENGTH(sizes); i++) {
		struct asked a = { .stack = sizes[i] };

		pthread_attr_setstacksize(&attr, sizes[i]);
		pthread_attr_getguardsize(&attr, &a.guard);
		create(&attr, &a);
	}
	for (size_t guard = 0; guard <= 65536; guard += 32768) {
		struct asked a = { .stack = 1 << 20, .guard = guard };

		pthread_attr_setstacksize(&attr, a.stack);
		pthread_attr_setguardsize(&attr, guard);
		create(&attr, &a);
	}
	struct asked a = { .stack = 200000 & ~4095, .guard = 0 };
	a.base = mmap(NULL, a.stack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_destroy(&attr);
	pthread_attr_init(&attr);
	pthread_attr_getguardsize(&attr, &a.guard);
	P("setstack", pthread_attr_setstack(&attr, a.base, a.stack));
	for (int i = 0; i < 3; i++) {
		create(&attr, &a);
	}
	pthread_attr_destroy(&attr);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16 << 20);
	P("create with 16 MB", pthread_create(&t, &attr, dig_deep, (void *)3500));
	say("dug %ld", (long)join(t));
	pthread_attr_setstacksize(&attr, LEAST);
	P("create with the least", pthread_create(&t, &attr, dig_deep, (void *)1));
	say("dug %ld", (long)join(t));
	pthread_attr_t def;
	size_t size;
	pthread_attr_init(&def);
	pthread_attr_getstacksize(&def, &size);
	P("setattr_default", pthread_setattr_default_np(&attr));
	pthread_attr_init(&attr);
	struct asked d = { .stack = LEAST };
	pthread_attr_getguardsize(&attr, &d.guard);
	join(start(about_me, &d));
	pthread_setattr_default_np(&def);
	pthread_getattr_np(pthread_self(), &attr);
	void *base;
	char here;
	pthread_attr_getstack(&attr, &base, &size);
	say("main's stack holds its locals %d", (uintptr_t)&here - (uintptr_t)base < size);
}

static void overflow(void)
{
	pthread_attr_t attr;
	pthread_t t;
	int status;
	pid_t pid = MUST(fork());

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 128 * 1024);
		pthread_create(&t, &attr, dig_deep, (void *)100000);
		pthread_join(t, NULL);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0));
	say("overflow: killed by SIGSEGV %d", WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void errors(void)
{
	pthread_attr_t attr;
	pthread_t t;

	say("-- errors");
	pthread_attr_init(&attr);
	P("setdetachstate 9", pthread_attr_setdetachstate(&attr, 9));
	P("setinheritsched 9", pthread_attr_setinheritsched(&attr, 9));
	P("setscope process", pthread_attr_setscope(&attr, PTHREAD_SCOPE_PROCESS));
	P("setschedpolicy 99", pthread_attr_setschedpolicy(&attr, 99));
	pthread_attr_setstacksize(&attr, (size_t)1 << 46);
	P("create with 64 TB", pthread_create(&t, &attr, give_back, NULL));
	pthread_attr_setstacksize(&attr, (size_t)1 << 20);
	pthread_attr_setguardsize(&attr, (size_t)2 << 20);
	P("guard larger than the stack", pthread_create(&t, &attr, give_back, NULL));
}

/* --- who is who --- */

static pid_t tids[50];
static pthread_t selves[50];

static void *identify(void *arg)
{
	int i = (int)(intptr_t)arg;

	tids[i] = syscall(SYS_gettid);
	selves[i] = pthread_self();
	if (gettid() != tids[i])
		say("gettid differs");
	__atomic_add_fetch(&place, 1, __ATOMIC_SEQ_CST);
	t_until(&stop, 1);
	return (void *)(intptr_t)(gettid() == tids[i] && pthread_equal(pthread_self(), selves[i]));
}

static void *named(void *arg)
{
	char name[16] = "";

	(void)arg;
	prctl(PR_GET_NAME, name);
	say("inherited name: %d", strcmp(name, "mainly") == 0);
	P("setname", pthread_setname_np(pthread_self(), "worker-7"));
	pthread_getname_np(pthread_self(), name, sizeof(name));
	say("name %s", name);
	prctl(PR_SET_NAME, "by-prctl");
	pthread_getname_np(pthread_self(), name, sizeof(name));
	say("name %s", name);
	t_here(&place);
	t_until(&stop, 1);
	prctl(PR_GET_NAME, name);
	say("renamed by another: %s", name);
	return NULL;
}

static void identity(void)
{
	pthread_t t[50];
	char name[32] = "";
	int same = 0, good = 0;

	say("-- identity");
	place = stop = 0;
	for (intptr_t i = 0; i < 50; i++)
		t[i] = start(identify, (void *)i);
	t_until(&place, 50);
	for (int i = 0; i < 50; i++) {
		good += pthread_equal(t[i], selves[i]) != 0 && tids[i] > 0 && tids[i] != gettid();
		for (int k = 0; k < i; k++)
			same += tids[i] == tids[k] || pthread_equal(t[i], t[k]);
	}
	t_set(&stop, 1);
	for (int i = 0; i < 50; i++)
		good += join(t[i]) != NULL;
	say("good %d, same %d", good, same);
	YES("main's tid is the pid", gettid() == getpid());
	P("setname", pthread_setname_np(pthread_self(), "mainly"));
	place = stop = 0;
	t[0] = start(named, NULL);
	wait_parked(&place);
	P("setname of another", pthread_setname_np(t[0], "from-main"));
	P("getname of another", pthread_getname_np(t[0], name, sizeof(name)));
	say("name %s", name);
	P("setname too long", pthread_setname_np(t[0], "a name much longer than that"));
	P("getname too short", pthread_getname_np(t[0], name, 3));
	t_set(&stop, 1);
	join(t[0]);
	pthread_getname_np(pthread_self(), name, sizeof(name));
	say("name %s", name);
	struct sched_param sp;
	int policy;
	P("getschedparam", pthread_getschedparam(pthread_self(), &policy, &sp));
	say("policy %d priority %d", policy, sp.sched_priority);
	clockid_t clock;
	P("getcpuclockid", pthread_getcpuclockid(pthread_self(), &clock));
	cpu_set_t cpus;
	P("getaffinity", pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus));
}

/* --- numbers --- */

static atomic_int ran;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *pass_gate(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	ran++;
	return NULL;
}

static void *tree(void *arg)
{
	intptr_t depth = (intptr_t)arg;
	pthread_t a, b;

	ran++;
	if (depth == 0)
		return (void *)1;
	a = start(tree, (void *)(depth - 1));
	b = start(tree, (void *)(depth - 1));
	return (void *)((long)join(a) + (long)join(b));
}

static void *detached(void *arg)
{
	(void)arg;
	msleep(2);
	ran++;
	return NULL;
}

static void numbers(void)
{
	static pthread_t t[1000];
	pthread_attr_t attr;

	say("-- numbers");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 1000; i++) {
		int r = pthread_create(&t[i], &attr, pass_gate, NULL);

		if (r)
			say("create %d: %s", i, t_errname(r));
	}
	say("ran %d", ran);
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < 1000; i++)
		join(t[i]);
	say("ran %d", ran);
	ran = 0;
	for (int i = 0; i < 3000; i++)
		join(start(pass_gate, NULL));
	say("one after the other: %d", ran);
	ran = 0;
	say("tree: %ld leaves", (long)join(start(tree, (void *)6)));
	say("of %d", ran);
	ran = 0;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 200; i++) {
		pthread_t d;
		int r = pthread_create(&d, &attr, detached, NULL);

		if (r)
			say("create %d: %s", i, t_errname(r));
	}
	while (ran < 200)
		msleep(1);
	say("detached: %d", ran);
}

/* --- ends of the process --- */

static void *exit_process(void *arg)
{
	msleep(5);
	exit((int)(intptr_t)arg);
}

static void *outlive_main(void *arg)
{
	void *ret = (void *)1;

	msleep(20);
	P("the others join main", pthread_join(*(pthread_t *)arg, &ret));
	say("it returned %ld", (long)(intptr_t)ret);
	return NULL;
}

static void *late_detached(void *arg)
{
	msleep((int)(intptr_t)arg);
	return NULL;
}

static void on_exit_say(void)
{
	say("atexit ran");
}

static void ends(void)
{
	pid_t pid;

	say("-- ends");
	if ((pid = MUST(fork())) == 0) {
		start(exit_process, (void *)21);
		msleep(50000);
	}
	say("exit by a thread: %d", t_reap(pid));
	if ((pid = MUST(fork())) == 0) {
		start(wait_stop, NULL);
		start(late_detached, (void *)50000);
		return exit(22);
	}
	say("exit by main, others waiting: %d", t_reap(pid));
	if ((pid = MUST(fork())) == 0) {
		static pthread_t me;

		atexit(on_exit_say);
		me = pthread_self();
		start(outlive_main, &me);
		for (int i = 0; i < 10; i++)
			pthread_detach(start(late_detached, (void *)(intptr_t)(i * 10)));
		pthread_exit((void *)33);
	}
	say("the last thread ends: %d", t_reap(pid));
	if ((pid = MUST(fork())) == 0)
		pthread_exit(NULL);
	say("the only thread ends: %d", t_reap(pid));
	if ((pid = MUST(fork())) == 0) {
		start(wait_stop, NULL);
		_exit(23);
	}
	say("_exit: %d", t_reap(pid));
	if ((pid = MUST(fork())) == 0) {
		start(exit_process, (void *)24);
		pthread_exit(NULL);
	}
	say("exit after main's pthread_exit: %d", t_reap(pid));
}

/* Who looks after what the kernel does for a thread at its end, and puts back what it found, loses nothing by it. */
static void *looks_after(void *arg)
{
	void *list = NULL;
	size_t len = 0;
	int *at = NULL;

	R("get_robust_list", syscall(SYS_get_robust_list, 0, &list, &len));
	say("%zu bytes, our own %d", len, (uintptr_t)list - (uintptr_t)pthread_self() < 4096);
	R("set again", syscall(SYS_set_robust_list, list, len));
	if (prctl(PR_GET_TID_ADDRESS, &at) == 0)		/* only where the kernel can checkpoint */
		syscall(SYS_set_tid_address, at);
	return arg;
}

static void words_of_a_thread(void)
{
	void *list;
	size_t len;

	say("-- what is done at its end");
	looks_after(NULL);
	say("joined %ld", (long)join(start(looks_after, (void *)7)));
	R("get_robust_list, bad length", syscall(SYS_get_robust_list, 0, &list, T_BAD));
	R("get_robust_list, bad list", syscall(SYS_get_robust_list, 0, T_BAD, &len));
}

int main(void)
{
	t_begin();
	joins();
	words_of_a_thread();
	stacks();
	overflow();
	errors();
	identity();
	numbers();
	ends();
	return 0;
}
