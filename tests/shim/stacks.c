/* stacks.c - the memory under threads: size, guard, reuse, who gives it back when; and names, spin locks, syscall() */
#include "t.h"
#include <linux/futex.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <threads.h>

static __thread int fresh = 7;
static __thread char zero[3000];

static void *look(void *arg)
{
	pthread_attr_t attr;
	size_t size, guard;
	void *lo;
	char local;

	(void)arg;
	P("  getattr", pthread_getattr_np(pthread_self(), &attr));
	pthread_attr_getstack(&attr, &lo, &size);
	pthread_attr_getguardsize(&attr, &guard);
	YES("  we are in it", &local > (char *)lo && &local < (char *)lo + size);
	YES("  its lowest page is usable", (*(volatile char *)lo = 1));
	say("  guard %zu", guard);
	pthread_attr_destroy(&attr);
	return (void *)size;
}

static const struct { const char *what; size_t size, guard; } rows[] = {
	{ "1 MiB, no guard", 1 << 20, 0 },
	{ "2 MiB and a bit", (2 << 20) + 100, 4096 },
	{ "3 MiB, a guard of a byte", 3 << 20, 1 },
	{ "4 MiB, a large guard", 4 << 20, 1 << 20 },
	{ "100 MiB", 100 << 20, 4096 },
};

static void sizes(void)
{
	pthread_t t;

	say("-- sizes");
	say("default");
	join(start(look, NULL));
	for (unsigned i = 0; i < T_LENGTH(rows); i++) {
		pthread_attr_t attr;
		void *size;

		pthread_attr_init(&attr);
		P(rows[i].what, pthread_attr_setstacksize(&attr, rows[i].size));
		pthread_attr_setguardsize(&attr, rows[i].guard);
		int made = pthread_create(&t, &attr, look, NULL);
		pthread_join(t, &size);
		P("  create", made);
		YES("  as large as asked", (size_t)size >= (rows[i].size & ~(size_t)63));
		pthread_attr_destroy(&attr);
	}
}

static volatile int endless = 1;

static void *overflow(void *arg)
{
	volatile char page[4096];

	page[0] = 1;
	if (endless)
		overflow((void *)&page);
	return (char *)arg + page[0];
}

static void *touch_guard(void *arg)
{
	pthread_attr_t attr;
	size_t size;
	void *lo;

	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &lo, &size);
	((volatile char *)lo)[-1] = 1;
	return arg;
}

static void guards(void)
{
	void *(*const wrongs[])(void *) = { overflow, touch_guard };
	struct rlimit none = { 0, 0 };

	say("-- guards");
	for (unsigned i = 0; i < T_LENGTH(wrongs); i++) {
		pid_t pid = MUST(fork());
		int status;

		if (pid == 0) {
			setrlimit(RLIMIT_CORE, &none);
			join(start(look, NULL));	/* a stack that is not new */
			join(start(wrongs[i], NULL));
			_exit(0);
		}
		MUST(waitpid(pid, &status, 0));
		say("ended by signal %d, status %d", WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	}
}

/* --- reuse: thread-local storage is new each time, and memory does not grow --- */

static int not_fresh, ended;

static void *dirty(void *arg)
{
	char rubbish[20000];

	if (fresh != 7 || zero[0] || zero[2999])
		__atomic_add_fetch(&not_fresh, 1, __ATOMIC_SEQ_CST);
	memset(rubbish, 0xff, sizeof(rubbish));
	__asm__ volatile("" : : "r"(rubbish) : "memory");
	fresh = 8;
	memset(zero, 0xff, sizeof(zero));
	__atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static void *detach_self(void *arg)
{
	if (pthread_detach(pthread_self()) != 0)
		__atomic_add_fetch(&not_fresh, 1, __ATOMIC_SEQ_CST);
	return dirty(arg);
}

static int c11(void *arg)
{
	dirty(arg);
	return 5;
}

static long address_space(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld", &pages) != 1)
		fail("statm");
	fclose(f);
	return pages * 4096;
}

static void give_back(int how)
{
	struct timespec until = in(CLOCK_REALTIME, 10000);
	pthread_attr_t attr;
	pthread_t t;
	thrd_t c;
	int got, r = 0;

	switch (how) {
	case 0:
		join(start(dirty, NULL));
		break;
	case 1:
		r = pthread_detach(start(dirty, NULL));
		break;
	case 2:
		t = start(dirty, NULL);
		msleep(1);
		r = pthread_detach(t);
		break;
	case 3:
		start(detach_self, NULL);
		break;
	case 4:
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		r = pthread_create(&t, &attr, dirty, NULL);
		break;
	case 5:
		t = start(dirty, NULL);
		while ((r = pthread_tryjoin_np(t, NULL)) == EBUSY)
			sched_yield();
		break;
	case 6:
		r = pthread_timedjoin_np(start(dirty, NULL), NULL, &until);
		break;
	case 7:
		r = thrd_create(&c, c11, NULL) != thrd_success || thrd_join(c, &got) != thrd_success || got != 5;
		break;
	case 8:
		r = thrd_create(&c, c11, NULL) != thrd_success || thrd_detach(c) != thrd_success;
		break;
	}
	if (r)
		say("way %d: %s", how, t_errname(r));
}

static void reuse(void)
{
	enum { EACH = 150 };

	say("-- reuse");
	mallopt(M_ARENA_MAX, 1);
	for (int how = 0; how < 9; how++) {
		long before = 0;

		ended = 0;
		for (int i = 0; i < EACH; i++) {
			give_back(how);
			while (t_get(&ended) <= i)
				msleep(1);
			if (i == EACH / 3)
				before = address_space();
		}
		say("way %d: grows by less than 200 MB: %s", how, address_space() - before < 200000000 ? "yes" : "no");
	}
	say("not fresh: %d", not_fresh);
}

/* --- stacks of the program's own, one even within another thread's --- */

static void *inner(void *arg)
{
	return (char *)arg + 1;
}

static void *on_its_stack(void *arg)
{
	_Alignas(64) char room[256 << 10];
	pthread_attr_t attr;
	pthread_t t;
	void *ret;

	(void)arg;
	pthread_attr_init(&attr);
	P("setstack", pthread_attr_setstack(&attr, room, sizeof(room)));
	P("create", pthread_create(&t, &attr, inner, (void *)41));
	P("join", pthread_join(t, &ret));
	memset(room, 0, sizeof(room));
	join(start(dirty, NULL));
	say("still here, it returned %ld", (long)ret);
	return NULL;
}

static void own(void)
{
	void *mem = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	pthread_t t;
	void *ret;
	int made;

	say("-- stacks of the program's own");
	join(start(on_its_stack, NULL));
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, mem, 1 << 20);
	made = pthread_create(&t, &attr, look, NULL);
	P("join", pthread_join(t, &ret));
	P("create", made);		/* not before: the thread says something, too */
	say("size %ld", (long)ret);
	MUST(munmap(mem, 1 << 20));
}

/* --- in a forked child the other threads' stacks are free again --- */

static int stop;

static void *wait_stop(void *arg)
{
	t_until(&stop, 1);
	return arg;
}

static void *fork_here(void *arg)
{
	pid_t pid = MUST(fork());

	(void)arg;
	if (pid == 0) {
		for (int i = 0; i < 50; i++)
			join(start(dirty, NULL));
		_exit(not_fresh ? 1 : 0);
	}
	int status;

	MUST(waitpid(pid, &status, 0));
	say("child: %d", status);
	return NULL;
}

static void forked(void)
{
	pthread_t others[20];

	say("-- fork");
	for (int i = 0; i < 20; i++)
		others[i] = start(wait_stop, NULL);
	join(start(fork_here, NULL));
	t_set(&stop, 1);
	for (int i = 0; i < 20; i++)
		join(others[i]);
}

/* --- names --- */

static void *say_name(void *arg)
{
	char name[16];

	(void)arg;
	P("getname of self", pthread_getname_np(pthread_self(), name, sizeof(name)));
	say("  %s", name);
	P("setname of self", pthread_setname_np(pthread_self(), "me"));
	P("too long", pthread_setname_np(pthread_self(), "0123456789abcdef"));
	stop = 1;
	wait_stop(NULL);
	return NULL;
}

static void *idle(void *arg)
{
	while (t_get(&stop) != 2)
		msleep(1);
	return say_name(arg);
}

static void *cpu_clock(void *arg)
{
	struct timespec t;
	clockid_t clock;

	P("CPU clock", pthread_getcpuclockid(pthread_self(), &clock));
	R("its time", clock_gettime(clock, &t));
	return arg;
}

static void names(void)
{
	char name[16], room[15];

	say("-- names");
	stop = 0;
	P("main's", pthread_setname_np(pthread_self(), "the main thread"));
	pthread_t t = start(idle, NULL);
	P("inherited", pthread_getname_np(t, name, sizeof(name)));
	say("  %s", name);
	P("set another's", pthread_setname_np(t, "fifteen letters"));
	P("get another's", pthread_getname_np(t, name, sizeof(name)));
	say("  %s", name);
	P("no room", pthread_getname_np(t, room, sizeof(room)));
	P("too long", pthread_setname_np(t, "sixteen letters."));
	t_set(&stop, 2);
	join(t);
	cpu_clock(NULL);
	join(start(cpu_clock, NULL));
	P("main's is", pthread_getname_np(pthread_self(), name, sizeof(name)));
	say("  %s", name);
}

/* --- spin locks --- */

static pthread_spinlock_t spin;
static long count;

static void *spinner(void *arg)
{
	for (int i = 0; i < 300; i++) {
		pthread_spin_lock(&spin);
		long was = count;

		if (i % 50 == 0)
			sched_yield();		/* with the lock held: the others must not eat up the processor */
		count = was + 1;
		pthread_spin_unlock(&spin);
	}
	return arg;
}

static void spins(void)
{
	pthread_t t[8];

	say("-- spin locks");
	P("init", pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE));
	P("trylock", pthread_spin_trylock(&spin));
	P("again", pthread_spin_trylock(&spin));
	P("unlock", pthread_spin_unlock(&spin));
	for (int i = 0; i < 8; i++)
		t[i] = start(spinner, NULL);
	for (int i = 0; i < 8; i++)
		join(t[i]);
	say("count %ld", count);
	P("trylock", pthread_spin_trylock(&spin));
	P("unlock", pthread_spin_unlock(&spin));
}

/* --- syscall() --- */

static uint32_t word;

static void *wake_it(void *arg)
{
	msleep(5);
	word = 1;
	R("FUTEX_WAKE", syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	return arg;
}

static void numbers(void)
{
	pthread_t t = start(wake_it, NULL);

	say("-- syscall()");
	while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	join(t);
	R("no such call", syscall(9999));
	R("negative", syscall(-1));
	R("six arguments", syscall(SYS_pread64, -1, NULL, 1, 0, 0, 0));
	pid_t pid = (pid_t)MUST(syscall(SYS_fork));

	if (pid == 0)
		syscall(SYS_exit, 9);
	say("fork: %d", t_reap(pid));
	YES("gettid", syscall(SYS_gettid) == getpid());
}

int main(void)
{
	sizes();
	guards();
	reuse();
	own();
	forked();
	names();
	spins();
	numbers();
	return 0;
}
