// unwind.cc - unwinding through calls that wait: backtraces taken in a handler, exceptions over libc's frames, cancelled streams
#include "t.h"
#include <execinfo.h>
#include <setjmp.h>
#include <stdexcept>
#include <string>
#include <unwind.h>

static int place, pipes[2], handled;

// --- which of our functions are on the stack, innermost first ---

static const void *const *wanted;
static int found, frames;
static bool whole;

static _Unwind_Reason_Code look(struct _Unwind_Context *c, void *)
{
	void *start = _Unwind_FindEnclosingFunction(reinterpret_cast<void *>(_Unwind_GetIP(c) - 1));

	frames++;
	if (wanted[found] && start == wanted[found])
		found++;
	return frames < 200 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void on_usr1(int)
{
	void *pcs[100];

	found = frames = 0;
	whole = _Unwind_Backtrace(look, nullptr) == _URC_END_OF_STACK && frames < 200;
	int n = backtrace(pcs, 100);
	whole = whole && n > found;
	t_set(&handled, 1);
}

#define PARKED(name, call)								\
	__attribute__((noinline)) static void name##_inner()				\
	{										\
		char c = 0;								\
		t_here(&place);								\
		call;									\
		__asm__ volatile("" : : "r"(&c) : "memory");				\
	}										\
	__attribute__((noinline)) static void name##_middle()				\
	{										\
		name##_inner();								\
		__asm__ volatile("" : : : "memory");					\
	}										\
	__attribute__((noinline)) static void *name##_outer(void *)			\
	{										\
		name##_middle();							\
		__asm__ volatile("" : : : "memory");					\
		return nullptr;								\
	}										\
	static const void *const name##_wanted[] = { reinterpret_cast<void *>(name##_inner),	\
		reinterpret_cast<void *>(name##_middle), reinterpret_cast<void *>(name##_outer), nullptr };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int done;

static void wait_cond()
{
	pthread_mutex_lock(&mutex);
	while (!done)
		pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void use_stdio()
{
	char line[16];
	FILE *f = fdopen(dup(pipes[0]), "r");

	(void)!fgets(line, sizeof(line), f);
	fclose(f);
}

static void raw_read()
{
	char c;

	syscall(SYS_read, pipes[0], &c, 1);
}

static void poll_it()
{
	pollfd pf = { pipes[0], POLLIN, 0 };

	while (poll(&pf, 1, -1) < 0)
		continue;
}

PARKED(in_read, (void)!read(pipes[0], &c, 1))
PARKED(in_poll, poll_it())
PARKED(in_cond, wait_cond())
PARKED(in_sleep, msleep(200))
PARKED(in_fgets, use_stdio())
PARKED(in_syscall, raw_read())

static void backtraces()
{
	struct {
		const char *name;
		void *(*fn)(void *);
		const void *const *wanted;
	} rows[] = {
		{ "read", in_read_outer, in_read_wanted }, { "poll", in_poll_outer, in_poll_wanted },
		{ "cond", in_cond_outer, in_cond_wanted }, { "nanosleep", in_sleep_outer, in_sleep_wanted },
		{ "fgets", in_fgets_outer, in_fgets_wanted }, { "syscall", in_syscall_outer, in_syscall_wanted },
	};
	struct sigaction sa = {};
	void *warm[4];

	say("-- backtraces");
	backtrace(warm, 4);		// loads libgcc_s outside of the handler
	sa.sa_handler = on_usr1;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, nullptr);
	for (auto &r : rows) {
		place = handled = 0;
		wanted = r.wanted;
		pthread_t t = start(r.fn, nullptr);
		wait_parked(&place);
		pthread_kill(t, SIGUSR1);
		t_until(&handled, 1);
		say("%s: found %d of 3, down to the end %d", r.name, found, whole);
		if (r.fn == in_cond_outer) {
			pthread_mutex_lock(&mutex);
			done = 1;
			pthread_cond_signal(&cond);
			pthread_mutex_unlock(&mutex);
		} else if (r.fn != in_sleep_outer) {
			MUST(write(pipes[1], "\n", 1));
		}
		join(t);
		pollfd pf = { pipes[0], POLLIN, 0 };
		char rest[8];
		if (poll(&pf, 1, 0) == 1)
			(void)!read(pipes[0], rest, sizeof(rest));
	}
}

// --- exceptions over frames of libc ---

struct noisy {
	const char *name;
	~noisy() { say("~%s", name); }
};

static int compare(const void *a, const void *b)
{
	static int calls;
	char c;

	if (++calls == 5) {
		noisy n{ "comparison" };
		(void)!write(pipes[1], "e", 1);
		(void)!read(pipes[0], &c, 1);
		throw std::runtime_error("no order");
	}
	return *static_cast<const int *>(a) - *static_cast<const int *>(b);
}

static void *thrower(void *)
{
	int numbers[] = { 5, 3, 9, 1, 7, 2, 8 };

	try {
		noisy n{ "sorter" };
		qsort(numbers, 7, sizeof(int), compare);
		say("not here");
	} catch (const std::runtime_error &e) {
		say("caught: %s", e.what());
	}
	return nullptr;
}

static void deep(int n)
{
	std::string kept(100, 'x');

	if (n == 0) {
		msleep(1);
		throw n;
	}
	deep(n - 1);
	if (kept.size() != 100)
		say("spoilt");
}

static void *deep_thrower(void *)
{
	long caught = 0;

	for (int i = 0; i < 20; i++)
		try {
			deep(100);
		} catch (int) {
			caught++;
		}
	return reinterpret_cast<void *>(caught);
}

static void exceptions()
{
	pthread_t t[10];
	long sum = 0;

	say("-- exceptions");
	join(start(thrower, nullptr));
	for (auto &x : t)
		x = start(deep_thrower, nullptr);
	for (auto &x : t)
		sum += reinterpret_cast<long>(join(x));
	say("caught %ld", sum);
}

// --- cancelled within libc ---

static FILE *stream;

static void *in_stream(void *)
{
	noisy n{ "reader" };
	char line[16];

	try {
		noisy m{ "inner" };
		t_here(&place);
		(void)!fgets(line, sizeof(line), stream);
		say("not here");
	} catch (...) {
		say("unwinding");
		throw;
	}
	return nullptr;
}

static void *in_flush(void *)
{
	static char much[100000];
	noisy n{ "writer" };

	t_here(&place);
	fwrite(much, 1, sizeof(much), stream);
	fflush(stream);
	say("not here");
	return nullptr;
}

static void *exits_deep(void *arg)
{
	noisy n{ "leaver" };
	char c;

	(void)!write(pipes[1], "p", 1);
	(void)!read(pipes[0], &c, 1);
	msleep(1);
	pthread_exit(arg);
}

static void cancelled()
{
	say("-- cancelled");
	stream = fdopen(dup(pipes[0]), "r");
	place = 0;
	pthread_t t = start(in_stream, nullptr);
	wait_parked(&place);
	pthread_cancel(t);
	say("fgets: cancelled %d", join(t) == PTHREAD_CANCELED);
	say("its lock is free %d", ftrylockfile(stream) == 0);
	funlockfile(stream);
	fclose(stream);
	int full[2];
	must_pipe(full);
	fcntl(full[1], F_SETPIPE_SZ, 4096);
	stream = fdopen(full[1], "w");
	place = 0;
	t = start(in_flush, nullptr);
	wait_parked(&place);
	pthread_cancel(t);
	say("fwrite: cancelled %d", join(t) == PTHREAD_CANCELED);
	say("pthread_exit: %ld", reinterpret_cast<long>(join(start(exits_deep, reinterpret_cast<void *>(17)))));
}

int main()
{
	t_begin();
	must_pipe(pipes);
	backtraces();
	exceptions();
	cancelled();
	say("end");
	_exit(0);		// the full stream would be flushed for ever
}
