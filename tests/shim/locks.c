/*
 * locks.c - locks on files: more waiters than grove has threads for, deadlocks that the kernel sees, signals, the order of things
 */
#include "t.h"
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define CROWD 1500

static int fd, arrived, served;

static int lock(int cmd, int type, int at)
{
	struct flock l = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	return fcntl(fd, cmd, &l);
}

/* --- another process ------------------------------------------------------------------------------------------------------------------ */

static int orders[2], reports[2];
static pid_t other;

/* Each order is a digit or a letter: lock that byte, wait for it, or unlock it; "." ends. */
static void obey(void)
{
	char c;

	while (read(orders[0], &c, 1) == 1 && c != '.') {
		int r = c >= 'a' ? lock(F_SETLKW, F_WRLCK, c - 'a') : c >= 'A' ? lock(F_SETLK, F_UNLCK, c - 'A') : lock(F_SETLK, F_WRLCK, c - '0');

		c = r ? '!' : '.';
		if (write(reports[1], &c, 1) != 1)
			break;
	}
	_exit(0);
}

static void order(char c)
{
	MUST(write(orders[1], &c, 1));
}

static void obeyed(const char *what)
{
	char c = '?';

	MUST(read(reports[0], &c, 1));
	say("the other process: %s: %s", what, c == '.' ? "done" : "failed");
}

static void begin_other(void)
{
	must_pipe(orders);
	must_pipe(reports);
	other = MUST(fork());
	if (other == 0) {
		close(orders[1]);
		close(reports[0]);
		obey();
	}
	close(orders[0]);
	close(reports[1]);
}

/* --- a crowd -------------------------------------------------------------------------------------------------------------------------- */

static void *waiter(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	if (lock(F_SETLKW, F_WRLCK, 0) == 0)
		__atomic_fetch_add(&served, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *flocker(void *arg)
{
	int mine = (int)MUST(open("locked", O_RDWR | O_CLOEXEC));

	(void)arg;
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	if (flock(mine, LOCK_EX) == 0)
		__atomic_fetch_add(&served, 1, __ATOMIC_SEQ_CST);
	close(mine);
	return NULL;
}

static void crowd(const char *name, void *(*fn)(void *), void (*release)(void))
{
	static pthread_t t[CROWD];
	pthread_attr_t a;

	arrived = served = 0;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 128 * 1024);
	for (int i = 0; i < CROWD; i++)
		if ((errno = pthread_create(&t[i], &a, fn, NULL)))
			fail("pthread_create");
	t_until(&arrived, CROWD);
	say("%s: %d served before the lock is free", name, t_get(&served));
	release();
	for (int i = 0; i < CROWD; i++)
		join(t[i]);
	say("%s: %d served", name, served);
	pthread_attr_destroy(&a);
}

static void release_other(void)
{
	order('A');
	obeyed("unlocks");
}

static int holder;

static void release_mine(void)
{
	flock(holder, LOCK_UN);
}

static void crowds(void)
{
	struct rlimit r;

	order('0');
	obeyed("locks");
	crowd("F_SETLKW", waiter, release_other);
	lock(F_SETLK, F_UNLCK, 0);
	MUST(getrlimit(RLIMIT_NOFILE, &r));
	r.rlim_cur = r.rlim_max < CROWD + 200 ? r.rlim_max : CROWD + 200;
	MUST(setrlimit(RLIMIT_NOFILE, &r));
	if (r.rlim_cur < CROWD + 100) {
		say("flock: not enough descriptors");
		return;
	}
	holder = (int)MUST(open("locked", O_RDWR | O_CLOEXEC));
	MUST(flock(holder, LOCK_EX));
	crowd("flock", flocker, release_mine);
	close(holder);
}

/* --- deadlocks and signals --------------------------------------------------------------------------------------------------------------- */

static int place;

/* What a thread's call came to is told by who joins it, so that the two do not talk at once. */
static int result, result_errno;

static void note(int r)
{
	result = r;
	result_errno = errno;
}

static void tell(const char *what)
{
	t_result(what, result, result < 0 ? result_errno : T_ERRNO);
}

static void *wait_for_it(void *arg)
{
	t_here(&place);
	note(lock(F_SETLKW, F_WRLCK, *(int *)arg));
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void interrupted(int flags, const char *name)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
	int byte = 1;
	pthread_t t;

	sigaction(SIGUSR1, &sa, NULL);
	place = 0;
	order('1');
	obeyed("locks");
	t = start(wait_for_it, &byte);
	wait_parked(&place);
	pthread_kill(t, SIGUSR1);
	if (flags & SA_RESTART)
		msleep(20);
	else
		join(t);
	order('B');
	obeyed("unlocks");
	if (flags & SA_RESTART)
		join(t);
	tell(name);
	lock(F_SETLK, F_UNLCK, 1);
}

static void deadlock(void)
{
	R("this process locks", lock(F_SETLK, F_WRLCK, 2));
	order('3');
	obeyed("locks");
	order('c');			/* it waits for ours */
	msleep(100);
	R("waiting for theirs", lock(F_SETLKW, F_WRLCK, 3));
	R("this process unlocks", lock(F_SETLK, F_UNLCK, 2));
	obeyed("has waited");
	order('D');
	obeyed("unlocks");
}

static void *lockf_it(void *arg)
{
	(void)arg;
	t_here(&place);
	MUST(lseek(fd, 0, SEEK_SET));
	note(lockf(fd, F_LOCK, 1));
	return NULL;
}

static void *ofd_it(void *arg)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int mine = (int)MUST(open("locked", O_RDWR | O_CLOEXEC));

	(void)arg;
	t_here(&place);
	note(fcntl(mine, F_OFD_SETLKW, &l));
	close(mine);
	return NULL;
}

static void others(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int mine;
	pthread_t t;

	order('0');
	obeyed("locks");
	place = 0;
	t = start(lockf_it, NULL);
	wait_parked(&place);
	order('A');
	obeyed("unlocks");
	join(t);
	tell("lockf");
	R("unlock", lockf(fd, F_ULOCK, 1));
	mine = (int)MUST(open("locked", O_RDWR | O_CLOEXEC));
	R("F_OFD_SETLK", fcntl(mine, F_OFD_SETLK, &l));
	place = 0;
	t = start(ofd_it, NULL);
	wait_parked(&place);
	say("unlocking");
	close(mine);
	join(t);
	tell("F_OFD_SETLKW");
	R("flock of nothing", flock(-1, LOCK_EX));
	R("flock of nonsense", flock(fd, 77));
	R("F_SETLKW of nothing", fcntl(-1, F_SETLKW, &l));
	R("F_SETLKW, bad pointer", fcntl(fd, F_SETLKW, T_BAD));
	l.l_type = 99;
	R("F_SETLKW of nonsense", fcntl(fd, F_SETLKW, &l));
}

int main(void)
{
	t_begin();
	fd = (int)MUST(open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	begin_other();
	crowds();
	interrupted(0, "interrupted");
	interrupted(SA_RESTART, "restarted");
	deadlock();
	others();
	order('.');
	say("the other process ends: %d", t_reap(other));
	return 0;
}
