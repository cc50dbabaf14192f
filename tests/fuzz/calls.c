/*
 * calls.c - fuzz_calls: carries out scripts of system calls, an ordinary threaded program
 *
 * It is started twice by compare, bare and under grove, gets scripts on descriptor 200, and has a forked child carry out each.
 * The child's conductor hands one step after the other to the threads.  What they answer is the trace, sent on descriptor 201 to
 * compare.  When a step does not answer, the conductor asks there whether all is quiet: compare looks from outside until every kernel
 * thread of the child sleeps, which means the same bare and under grove.
 */
#include "fuzz.h"
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define SCRIPTS		200
#define TRACE		201
#define HEAD		16

struct thread {
	pthread_t id;
	sem_t go;
	const struct step *step;	/* what it is to do, or does */
	struct result result;
	volatile bool answered;
	bool waits;			/* asleep in a step */
	int number;			/* of the step */
	int taken;			/* signals_taken, as printed last */
};

static struct thread threads[THREADS];
static sem_t answers;
__thread int me = -1;
int signals_taken[THREADS + 1];
bool slow_settle;
static bool over;
static bool numbers_shift;		/* a call that waits has taken a number already, as accept() does: what is free is not compared */

static struct { int waiters; } named[16][4];	/* as struct object, for what has no descriptor */

/* --- the trace ------------------------------------------------------------------------------------------------------------------ */

static char text[60000];
static size_t text_len;

__attribute__((format(printf, 1, 2))) static void tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_len += (size_t)vsnprintf(text + text_len, sizeof(text) - text_len, fmt, ap);
	va_end(ap);
	if (text_len > sizeof(text) - 1)
		text_len = sizeof(text) - 1;
}

static char head[HEAD + 1];		/* kind, pid and number of the message sent last: what it is answered with */

static void must_send(char kind)
{
	static int number;
	struct iovec iov[2] = { { head, HEAD }, { text, text_len } };

	snprintf(head, sizeof(head), "%c%8d %6d", kind, getpid(), number++);
	while (writev(TRACE, iov, 2) == -1)
		if (errno != EINTR)
			_exit(91);
	text_len = 0;
}

/* Until all threads have answered or sleep.  There may be an answer left for a child that was killed. */
static void settle(void)
{
	char answer[HEAD];
	ssize_t n;

	must_send(slow_settle ? 'Q' : 'q');
	do {
		n = read(TRACE, answer, HEAD);
		if (n != HEAD && errno != EINTR)
			_exit(92);
	} while (n != HEAD || memcmp(answer, head, HEAD) != 0);
}

/* --- the table of calls -------------------------------------------------------------------------------------------------------------- */

static const struct op *table[256];
static unsigned table_size;

__attribute__((constructor)) static void fill_table(void)
{
	static const struct op *const groups[] = { io_ops, net_ops, wait_ops, sync_ops, signal_ops, process_ops, file_ops };

	for (size_t i = 0; i < LENGTH(groups); i++)
		for (const struct op *op = groups[i]; op->name; op++)
			table[table_size++] = op;
}

const struct op *find_op(uint8_t number)
{
	return number == RELEASE ? &release_op : table[number % table_size];
}

/* --- threads -------------------------------------------------------------------------------------------------------------------- */

pthread_t thread_of(int i)
{
	return threads[i].id;
}

bool busy(int i)
{
	return threads[i].waits;
}

static void *thread(void *arg)
{
	struct thread *t = arg;

	me = (int)(t - threads);
	for (;;) {
		while (sem_wait(&t->go) == -1)
			continue;
		if (over)
			return NULL;
		find_op(t->step->op)->fn(t->step, &t->result);
		t->answered = true;
		sem_post(&answers);
	}
}

static void on_signal(int sig)
{
	int err = errno;

	(void)sig;
	__atomic_fetch_add(&signals_taken[me < 0 ? THREADS : me], 1, __ATOMIC_SEQ_CST);
	errno = err;
}

static void handlers(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t set;

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGXFSZ, &sa, NULL);
	sigaction(SIGIO, &sa, NULL);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	/* these are for whoever waits for them; the conductor takes none */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGRTMIN + 2);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void start_threads(void)
{
	pthread_attr_t attr;
	sigset_t all, old;

	sem_init(&answers, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	for (int i = 0; i < THREADS; i++) {
		sem_init(&threads[i].go, 0, 0);
		if (pthread_create(&threads[i].id, &attr, thread, &threads[i]))
			_exit(93);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
}

/* --- who waits where ------------------------------------------------------------------------------------------------------------- */

/* Calls @fn for each counter of waiters that @s may be one of. */
static bool each_wait(const struct step *s, bool (*fn)(int *waiters))
{
	const struct op *op = find_op(s->op);
	static const struct { unsigned use; int dir; } uses[] = { { READS_A, 0 }, { WRITES_A, 1 }, { READS_B, 0 }, { WRITES_B, 1 } };

	for (size_t i = 0; i < LENGTH(uses); i++)
		if ((op->uses & uses[i].use) && !fn(&objects[object_of(uses[i].use & (READS_A | WRITES_A) ? s->a : s->b)].waiters[uses[i].dir]))
			return false;
	for (int i = 0; (op->uses & POLLS) && i < 3; i++)
		for (int dir = 0; dir < 2; dir++)
			if (!fn(&objects[object_of(i == 0 ? s->a : i == 1 ? s->b : s->c)].waiters[dir]))
				return false;
	return !(op->uses & NAMED) || fn(&named[op->named][s->a % 4].waiters);
}

static bool none_waits(int *waiters) { return waiters == &objects[0].waiters[0] || waiters == &objects[0].waiters[1] || *waiters == 0; }
static bool begin_wait(int *waiters) { ++*waiters; return true; }
static bool end_wait(int *waiters) { --*waiters; return true; }

/* While a stream's writer waits its peer is read in one way only: how much a read finds would depend on who is faster. */
static bool writer_refills(const struct step *s)
{
	const struct op *op = find_op(s->op);
	int peer = objects[object_of(s->a)].peer;

	if (!(op->uses & READS_A) || (op->uses & DRAIN) || !peer)
		return false;
	return objects[peer].waiters[1] > 0;
}

/* Is it certain to end by itself? */
static bool ends_alone(const struct step *s)
{
	const struct op *op = find_op(s->op);
	const struct object *o = &objects[object_of(s->a)];

	if ((op->uses & READS_A) && o->finite[0])
		return true;
	if ((op->uses & WRITES_A) && o->finite[1])
		return true;
	return ((op->uses & TIMED) && !endless(s->f)) || (op->uses & STAYS);
}

/* --- the conductor ----------------------------------------------------------------------------------------------------------------- */

static void tell_step(const struct thread *t)
{
	const struct step *s = t->step;

	tell("%d: thread %d%s %s(%d,%d,%d,%d,%d,%d)", t->number, s->thread & 3, STRAIGHT(s) ? " straight" : "", find_op(s->op)->name, s->a, s->b,
	     s->c, s->d, s->e, s->f);
}

static void tell_answer(struct thread *t)
{
	struct result *r = &t->result;

	tell_step(t);
	tell(" = %ld%s%s", r->number && numbers_shift ? 0 : r->ret, r->err ? " " : "", r->err ? strerrorname_np(r->err) : "");
	if (r->hash)
		tell(" #%08x", r->hash);
	tell("%s%s\n", r->more[0] ? " " : "", r->more);
}

static void tell_signals(void)
{
	for (int i = 0; i < THREADS; i++) {
		int taken = __atomic_load_n(&signals_taken[i], __ATOMIC_SEQ_CST);

		if (taken != threads[i].taken)
			tell("   thread %d took %d signals\n", i, taken - threads[i].taken);
		threads[i].taken = taken;
	}
}

static bool any_waits(void)
{
	for (int i = 0; i < THREADS; i++)
		if (threads[i].waits)
			return true;
	return false;
}

static void wait_answer(void)
{
	while (sem_wait(&answers) == -1)
		continue;
}

/* Threads that have answered, in order of their numbers. */
static void collect(void)
{
	for (int i = 0; i < THREADS; i++) {
		struct thread *t = &threads[i];

		if (!t->step || !t->answered)
			continue;
		if (t->waits)
			each_wait(t->step, end_wait);
		t->waits = false;
		tell_answer(t);
		t->step = NULL;
	}
	while (sem_trywait(&answers) == 0)
		continue;
	tell_signals();
}

static bool answers_soon(struct thread *t)
{
	for (int i = 0; i < 20 && !t->answered; i++)
		sched_yield();
	return t->answered;
}

static void start_step(struct thread *t, const struct step *s, int number)
{
	memset(&t->result, 0, sizeof(t->result));
	t->step = s;
	t->number = number;
	t->answered = false;
	sem_post(&t->go);
}

static bool is_terminal(uint8_t b)
{
	return kind_of(b) == PTY_MASTER || kind_of(b) == PTY_SLAVE;
}

static void one_step(const struct step *s, int number)
{
	struct thread *t = &threads[s->thread & 3];
	bool others = any_waits();

	if (t->waits || !each_wait(s, none_waits) || writer_refills(s))
		return;
	if (text_len)
		must_send('t');		/* who knows whether we survive */
	slow_settle |= is_terminal(s->a) || is_terminal(s->b) || is_terminal(s->c);
	start_step(t, s, number);
	if (ends_alone(s))
		while (!t->answered)
			wait_answer();
	if (!answers_soon(t) || others || slow_settle || (find_op(s->op)->uses & TOUCHES))
		settle();
	if (!t->answered) {
		tell_step(t);
		tell(" waits\n");
		t->waits = true;
		numbers_shift |= strcmp(find_op(s->op)->name, "accept") == 0 || strcmp(find_op(s->op)->name, "open") == 0;
		each_wait(s, begin_wait);
	}
	collect();
}

static void run_step(const struct step *s, int number)
{
	struct thread *t = &threads[s->thread & 3];

	one_step(s, number);
	for (int i = 0; (find_op(s->op)->uses & DRAIN) && t->result.ret > 0 && !t->waits && i < 100; i++)
		one_step(s, number);
}

/* What still waits is interrupted: first by signals, then by giving away all there is to wait for. */
static void interrupt_all(int sig)
{
	for (int i = 0; i < THREADS; i++) {
		if (!threads[i].waits)
			continue;
		tell("interrupt %d\n", i);
		pthread_kill(threads[i].id, sig);
		settle();
		collect();
	}
}

static void finish(void)
{
	static const struct step last[] = { { 0, RELEASE, 0, 0, 0, 0, 0, 0 } };

	settle();
	collect();
	interrupt_all(SIGUSR2);
	interrupt_all(SIGUSR1);
	for (int i = 0; i < THREADS; i++) {
		struct step *s = malloc(sizeof(*s));

		*s = last[0];
		s->thread = (uint8_t)i;
		if (!threads[i].waits)
			one_step(s, 1000 + i);
	}
	for (int i = 0; i < THREADS; i++)
		if (threads[i].waits)
			tell("thread %d still waits\n", i);
}

/* All can end: so they do, the orderly way. */
static void end_threads(void)
{
	if (any_waits())
		return;
	over = true;
	for (int i = 0; i < THREADS; i++)
		sem_post(&threads[i].go);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	tell("all joined\n");
}

/* grove's own coverage, where it was built to be counted (cover.c) */
static void send_coverage(void)
{
	const char *at = getenv("FUZZ_COVER_AT"), *fd = getenv("FUZZ_COVER_FD");
	unsigned char *from, *to;
	unsigned long size;

	if (!at || !fd || sscanf(at, "%p %lu", (void **)&from, &size) != 2)
		return;
	to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(fd), 0);
	if (to != MAP_FAILED)
		memcpy(to, from, size);
}

_Noreturn static void run(const uint8_t *script, size_t len)
{
	struct step *s;

	handlers();
	world_begin();
	start_threads();
	settle();			/* all are where they wait for their steps */
	for (size_t i = 0; i + STEP_BYTES <= len && i < MAX_STEPS * STEP_BYTES; i += STEP_BYTES) {
		s = malloc(sizeof(*s));
		memcpy(s, script + i, STEP_BYTES);
		run_step(s, (int)(i / STEP_BYTES));
	}
	finish();
	end_threads();
	world_end();
	must_send('e');
	send_coverage();
	_exit(0);
}

/* --- one process for many scripts ---------------------------------------------------------------------------------------------------- */

int main(void)
{
	uint8_t script[MAX_STEPS * STEP_BYTES];
	int status;

	sysv_sems = atoi(getenv("FUZZ_SEMS") ?: "-1");
	sysv_queue = atoi(getenv("FUZZ_QUEUE") ?: "-1");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		ssize_t n = read(SCRIPTS, script, sizeof(script));
		pid_t pid;

		if (n <= 0)
			return 0;
		pid = fork();
		if (pid == 0) {
			close(SCRIPTS);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			run(script, (size_t)n);
		}
		while (waitpid(pid, &status, 0) == -1)
			continue;
		if (write(SCRIPTS, &status, sizeof(status)) != sizeof(status))
			return 1;
	}
}
