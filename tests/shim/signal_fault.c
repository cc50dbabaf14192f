/* signal_fault.c - faults, and other signals that a thread brings on itself: who handles them, where, and what kills */
#include "t.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <ucontext.h>

#define PAGE	4096

static int place, stop;
static sigjmp_buf jump;
static char *page;
static volatile int handled, sig_seen, code_seen, on_alt, addr_ok;
static volatile pthread_t by;
static char *alt;

/* --- fixed up and made again, as a JIT does --- */

static void on_fix(int sig, siginfo_t *si, void *context)
{
	char here;

	(void)context;
	sig_seen = sig;
	code_seen = si->si_code;
	addr_ok = si->si_addr == page + 8;
	by = pthread_self();
	on_alt = alt && (uintptr_t)&here - (uintptr_t)alt < 65536;
	handled++;
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static void on_jump(int sig, siginfo_t *si, void *context)
{
	(void)context;
	sig_seen = sig;
	code_seen = si->si_code;
	siglongjmp(jump, 1);
}

/* over the instruction */
static void on_skip(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	sig_seen = sig;
	code_seen = si->si_code;
	handled++;
	uc->uc_mcontext.gregs[REG_RIP] += 2;	/* ud2 */
}

static void install(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	MUST(sigaction(sig, &(struct sigaction){ .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags }, NULL));
}

static void *fixes(void *arg)
{
	stack_t ss = { .ss_size = 65536 };

	alt = ss.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(sigaltstack(&ss, NULL));
	for (int i = 0; i < 3; i++) {
		mprotect(page, PAGE, PROT_NONE);
		handled = on_alt = 0;
		*(volatile int *)(page + 8) = 1;
		say("%s: signal %d code %d, at the address %d, by us %d, on our alternate stack %d, once %d", (char *)arg, sig_seen, code_seen,
		    addr_ok, pthread_equal(by, pthread_self()), on_alt, handled == 1);
		msleep(1);
	}
	alt = NULL;
	ss.ss_flags = SS_DISABLE;
	MUST(sigaltstack(&ss, NULL));
	return NULL;
}

static void *loiter(void *arg)
{
	(void)arg;
	t_here(&place);
	while (!t_get(&stop))
		msleep(1);
	return NULL;
}

static void ours(void)
{
	pthread_t t, u;

	say("-- handled");
	install(SIGSEGV, on_fix, SA_ONSTACK);
	t = start(loiter, NULL);
	wait_parked(&place);
	fixes("main");
	u = start(fixes, "a thread");
	join(u);
	t_set(&stop, 1);
	join(t);
}

/* --- one of each --- */

static int zero;

static void f_segv(void) { *(volatile int *)T_BAD = 1; }
static void f_noncanonical(void) { *(volatile int *)0x800000000000ul = 1; }
static void f_fpe(void) { zero = 1 / *(volatile int *)&zero; }
static void f_ill(void) { __asm__ volatile("ud2"); }
static void f_trap(void) { __asm__ volatile("int3"); }
static void f_bus(void)
{
	char name[] = "fault.XXXXXX";
	int fd = MUST(mkstemp(name));
	char *p;

	MUST(unlink(name));
	MUST(ftruncate(fd, PAGE));
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(ftruncate(fd, 0));
	p[5] = 1;
}

static void f_pipe(void)
{
	int p[2];

	must_pipe(p);
	close(p[0]);
	(void)!write(p[1], "x", 1);
	close(p[1]);
}

static void f_sock(void)
{
	int s[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	close(s[0]);
	(void)!send(s[1], "x", 1, 0);
	close(s[1]);
}

static void f_size(void)
{
	char name[] = "fault.XXXXXX";
	int fd = MUST(mkstemp(name));

	MUST(unlink(name));
	struct rlimit small = { 10, RLIM_INFINITY }, was;
	MUST(getrlimit(RLIMIT_FSIZE, &was));
	small.rlim_max = was.rlim_max;
	MUST(setrlimit(RLIMIT_FSIZE, &small));
	(void)!write(fd, "0123456789", 10);
	long r = write(fd, "x", 1);
	MUST(setrlimit(RLIMIT_FSIZE, &was));
	if (r != -1)
		say("it was written");
	close(fd);
}

static void f_raise(void) { raise(SIGSEGV); }
static void f_kill(void) { kill(getpid(), SIGBUS); }
static void f_abort(void) { abort(); }

static const struct row {
	const char *what;
	int sig;
	void (*fn)(void);
	bool comes_again;		/* a blocked or ignored one kills */
} rows[] = {
	{ "SIGSEGV, not mapped", SIGSEGV, f_segv, true },
	{ "SIGSEGV, not canonical", SIGSEGV, f_noncanonical, true },
	{ "SIGFPE", SIGFPE, f_fpe, true },
	{ "SIGILL", SIGILL, f_ill, true },
	{ "SIGTRAP", SIGTRAP, f_trap, true },
	{ "SIGBUS, past the end of a file", SIGBUS, f_bus, true },
	{ "SIGPIPE by a pipe", SIGPIPE, f_pipe, false },
	{ "SIGPIPE by a socket", SIGPIPE, f_sock, false },
	{ "SIGXFSZ", SIGXFSZ, f_size, false },
	{ "SIGSEGV raised", SIGSEGV, f_raise, false },
	{ "SIGBUS by kill", SIGBUS, f_kill, false },
};

enum how { JUMPS, DEFAULT, BLOCKED, BLOCKED_HANDLER, IGNORED };
static const char *const how_names[] = { "handler jumps out", "default action", "blocked", "blocked, with a handler", "ignored" };

static void *in_thread(void *arg)
{
	const struct row *r = arg;

	r->fn();
	return NULL;
}

static int child(const struct row *r, enum how how, bool thread)
{
	struct rlimit size;
	sigset_t s, p;

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	sigemptyset(&s);
	sigaddset(&s, r->sig);
	signal(r->sig, how == IGNORED ? SIG_IGN : SIG_DFL);
	if (how == JUMPS || how == BLOCKED_HANDLER)
		install(r->sig, on_jump, 0);
	if (how == BLOCKED || how == BLOCKED_HANDLER)
		sigprocmask(SIG_BLOCK, &s, NULL);
	MUST(getrlimit(RLIMIT_FSIZE, &size));
	if (sigsetjmp(jump, 1)) {
		sigset_t now;

		MUST(setrlimit(RLIMIT_FSIZE, &size));
		sigprocmask(SIG_BLOCK, NULL, &now);
		say("  jumped: signal %d code %d, blocked now %d", sig_seen, code_seen, sigismember(&now, r->sig));
		return 0;
	}
	if (thread)
		join(start(in_thread, (void *)r));
	else
		r->fn();
	sigpending(&p);
	say("  went on, pending here: %d", sigismember(&p, r->sig));
	return 1;
}

static void each(void)
{
	for (unsigned i = 0; i < T_LENGTH(rows); i++)
		for (int how = JUMPS; how <= IGNORED; how++)
			for (int thread = 0; thread < 2; thread++) {
				if (thread && how == JUMPS)
					continue;		/* a jump goes to its own thread only */
				say("%s, %s%s", rows[i].what, how_names[how], thread ? ", in a thread" : "");
				pid_t pid = MUST(fork());
				if (pid == 0)
					_exit(child(&rows[i], how, thread));
				say("  status %d", t_reap(pid));
			}
	pid_t pid = MUST(fork());
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		f_abort();
	}
	say("abort: status %d", t_reap(pid));
}

/* --- libraries keep SIGPIPE to themselves this way --- */

static void *keeps(void *arg)
{
	sigset_t s, p, was;
	int taken = 0;

	(void)arg;
	sigemptyset(&s);
	sigaddset(&s, SIGPIPE);
	for (int i = 0; i < 50; i++) {
		pthread_sigmask(SIG_BLOCK, &s, &was);
		f_pipe();
		sched_yield();		/* somebody who lets it in runs */
		sigpending(&p);
		taken += sigismember(&p, SIGPIPE) && sigtimedwait(&s, NULL, &(struct timespec){ 0 }) == SIGPIPE;
		pthread_sigmask(SIG_SETMASK, &was, NULL);
	}
	return (void *)(intptr_t)taken;
}

static void pipes(void)
{
	pthread_t t[3];
	int sum = 0;

	say("-- SIGPIPE kept to oneself");
	signal(SIGPIPE, SIG_DFL);
	for (int i = 0; i < 3; i++)
		t[i] = start(keeps, NULL);
	for (int i = 0; i < 3; i++)
		sum += (int)(intptr_t)join(t[i]);
	say("taken %d", sum);
}

/* --- system calls emulated by a handler of SIGSYS --- */

static void on_sys(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	handled++;
	by = pthread_self();
	code_seen = si->si_code;
	uc->uc_mcontext.gregs[REG_RAX] = si->si_syscall == SYS_getpriority ? 4711 : si->si_syscall == SYS_fsync ? -ENOTBLK : -ENOSYS;
}

static void *emulated(void *arg)
{
	(void)arg;
	handled = 0;
	R("getpriority", syscall(SYS_getpriority, 0, 0));
	R("fsync", fsync(1));
	say("handled %d, code %d, by us %d", handled, code_seen, pthread_equal(by, pthread_self()));
	return NULL;
}

static int filtered(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { T_LENGTH(code), code };

	install(SIGSYS, on_sys, 0);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	R("seccomp TSYNC", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog));
	emulated(NULL);
	join(start(emulated, NULL));
	signal(SIGSYS, SIG_DFL);
	syscall(SYS_getpriority, 0, 0);
	return 0;
}

int main(void)
{
	t_begin();
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ours();
	each();
	pipes();
	install(SIGILL, on_skip, 0);
	f_ill();
	say("ud2 skipped: signal %d", sig_seen);
	say("-- SIGSYS");
	pid_t pid = MUST(fork());
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		_exit(filtered());
	}
	say("status %d", t_reap(pid));
	return 0;
}
