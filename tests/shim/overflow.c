/* overflow.c - stacks that run full: the process dies of SIGSEGV, unless the program has a handler and a stack for it; and what
 * sigaltstack(2) shows */
#include "t.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

__attribute__((noinline)) static long down(volatile char *above, long n)
{
	volatile char here[256];

	memset((void *)here, (int)n, sizeof(here));
	here[0] = above[1];
	return n == 0 ? 0 : down(here, n + 1) + here[n % (long)sizeof(here)];
}

static void *deep(void *arg)
{
	char c[2] = { 0 };

	(void)arg;
	return (void *)down(c, 1);
}

/* --- default action --- */

static void in_main(void)
{
	deep(NULL);
}

static void in_thread(void)
{
	join(start(deep, NULL));
}

static void in_small_thread(void)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	pthread_create(&t, &attr, deep, NULL);
	join(t);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void among_others(void)
{
	for (int i = 0; i < 10; i++)
		start(wait_for_ever, NULL);
	msleep(2);
	in_thread();
}

static void ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	in_thread();
}

static void blocked(void)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	in_thread();
}

static void wild(void)
{
	*(volatile int *)T_BAD = 1;
}

static void bus(void)
{
	int fd = MUST(memfd_create("empty", MFD_CLOEXEC));
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	(void)*p;
}

static void sent(void)
{
	raise(SIGSEGV);
	say("never here");
}

/* --- handlers --- */

static void leave(int sig)
{
	_exit(sig == SIGSEGV ? 40 : 41);
}

static void handler_without_stack(void)
{
	signal(SIGSEGV, leave);
	in_thread();
}

static void handler_asks_in_vain(void)
{
	sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = leave, .sa_flags = SA_ONSTACK }, NULL);
	in_thread();
}

static char room[64 << 10];

static void own_stack(void)
{
	MUST(sigaltstack(&(stack_t){ .ss_sp = room, .ss_size = sizeof(room) }, NULL));
}

static void *deep_with_stack(void *arg)
{
	own_stack();
	return deep(arg);
}

static void handler_with_stack(void)
{
	sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = leave, .sa_flags = SA_ONSTACK }, NULL);
	join(start(deep_with_stack, NULL));
}

static void stack_of_another_thread(void)
{
	own_stack();
	handler_asks_in_vain();
}

static sigjmp_buf again;

static void jump(int sig)
{
	siglongjmp(again, sig);
}

static void *come_back(void *arg)
{
	volatile int times = 0;

	own_stack();
	if (sigsetjmp(again, 1) && times == 3)
		return (void *)42;
	times++;
	return deep(arg);
}

static void handler_jumps(void)
{
	sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = jump, .sa_flags = SA_ONSTACK }, NULL);
	_exit((int)(intptr_t)join(start(come_back, NULL)));
}

static void handler_that_is_gone(void)
{
	own_stack();
	signal(SIGSEGV, leave);
	signal(SIGSEGV, SIG_DFL);
	MUST(sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL));
	in_thread();
}

static const struct {
	const char *name;
	void (*fn)(void);
} rows[] = {
	{ "the main thread", in_main },
	{ "a thread", in_thread },
	{ "a thread with a small stack", in_small_thread },
	{ "one thread among others", among_others },
	{ "SIGSEGV is ignored", ignored },
	{ "all signals are blocked", blocked },
	{ "a wild pointer", wild },
	{ "a file that is too short", bus },
	{ "SIGSEGV is sent", sent },
	{ "a handler without a stack", handler_without_stack },
	{ "a handler asks for a stack that is not there", handler_asks_in_vain },
	{ "a handler with a stack", handler_with_stack },
	{ "the stack is another thread's", stack_of_another_thread },
	{ "a handler jumps out, three times", handler_jumps },
	{ "handler and stack were taken back", handler_that_is_gone },
};

static void deaths(void)
{
	say("-- full stacks");
	for (unsigned i = 0; i < T_LENGTH(rows); i++) {
		pid_t pid = MUST(fork());

		if (pid == 0) {
			setrlimit(RLIMIT_STACK, &(struct rlimit){ 1 << 20, RLIM_INFINITY });
			rows[i].fn();
			_exit(1);
		}
		say("%s: %d", rows[i].name, t_reap(pid));
	}
}

/* --- what the program sees --- */

static void look(const char *when)
{
	stack_t ss = { .ss_sp = &ss, .ss_flags = 99, .ss_size = 99 };

	R(when, sigaltstack(NULL, &ss));
	say("  flags %d, size %zu, %s", ss.ss_flags, ss.ss_size, !ss.ss_sp ? "NULL" : ss.ss_sp == room ? "ours" : "?");
}

static void in_handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	char here;

	(void)info;
	say("handler of %s: flags %d, size %zu, %s", sig == SIGUSR1 ? "USR1" : "USR2", uc->uc_stack.ss_flags, uc->uc_stack.ss_size,
	    !uc->uc_stack.ss_sp ? "NULL" : uc->uc_stack.ss_sp == room ? "ours" : "?");
	YES("  on our stack", &here >= room && &here < room + sizeof(room));
	look("  in it");
}

static void *look_in_thread(void *arg)
{
	look("a thread");
	return arg;
}

static void sights(void)
{
	say("-- sigaltstack");
	look("at first");
	join(start(look_in_thread, NULL));
	R("neither", sigaltstack(NULL, NULL));
	R("bad pointer", sigaltstack(NULL, T_BAD));
	sigaction(SIGUSR1, &(struct sigaction){ .sa_sigaction = in_handler, .sa_flags = SA_SIGINFO }, NULL);
	raise(SIGUSR1);
	look("after it");
	R("bad pointer to a call", syscall(SYS_rt_sigprocmask, SIG_SETMASK, T_BAD, NULL, 8));
	sigaction(SIGUSR2, &(struct sigaction){ .sa_sigaction = in_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK }, NULL);
	raise(SIGUSR2);
	look("after it");
	R("null flags", sigaltstack(T_BAD, NULL));
	R("too small", sigaltstack(&(stack_t){ .ss_sp = room, .ss_size = 100 }, NULL));
	R("bad flags", sigaltstack(&(stack_t){ .ss_sp = room, .ss_size = sizeof(room), .ss_flags = 64 }, NULL));
	look("after that");
	own_stack();
	look("set");
	raise(SIGUSR2);
	raise(SIGUSR1);
	join(start(look_in_thread, NULL));
	R("disabled", sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL));
	look("after that");
	raise(SIGUSR2);
}

int main(void)
{
	t_begin();
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	deaths();
	sights();
	return 0;
}
