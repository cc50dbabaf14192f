/*
 * old_calls.c - system calls for which libc has newer ones, or none, made by their numbers
 */
#include "t.h"
#include <linux/openat2.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

static int parked;

static void *opens(void *arg)
{
	int fd;

	t_here(&parked);
	fd = (int)OK("open a FIFO", syscall(SYS_open, "fifo", arg ? O_WRONLY : O_RDONLY, 0));
	close(fd);
	return NULL;
}

static void files(void)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = 0600 };
	pthread_t t;
	int fd;

	say("--- opening");
	fd = (int)OK("open", syscall(SYS_open, "f", O_RDWR | O_CREAT, 0600));
	R("write", write(fd, "hello", 5));
	close(fd);
	R("open: not there", syscall(SYS_open, "none", O_RDONLY, 0));
	R("open: bad pointer", syscall(SYS_open, T_BAD, O_RDONLY, 0));
	fd = (int)OK("creat", syscall(SYS_creat, "f", 0600));
	R("write", write(fd, "hi", 2));
	R("read what was created", read(fd, &how, 1));
	close(fd);
	R("creat: a folder", syscall(SYS_creat, ".", 0600));
	fd = (int)OK("openat2", syscall(SYS_openat2, AT_FDCWD, "f", &how, sizeof(how)));
	close(fd);
	how.resolve = RESOLVE_BENEATH;
	R("openat2: beneath", syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how)));
	R("openat2: bad pointer", syscall(SYS_openat2, AT_FDCWD, "f", T_BAD, sizeof(how)));
	R("openat2: too short", syscall(SYS_openat2, AT_FDCWD, "f", &how, 7L));
	how = (struct open_how){ .flags = O_RDONLY, .mode = 0600 };
	R("openat2: a mode for nothing", syscall(SYS_openat2, AT_FDCWD, "f", &how, sizeof(how)));
	MUST(mkfifo("fifo", 0600));
	t = start(opens, NULL);
	wait_parked(&parked);
	fd = (int)MUST(syscall(SYS_creat, "fifo", 0600));
	join(t);
	close(fd);
	t_set(&parked, 0);
	t = start(opens, "to write");
	wait_parked(&parked);
	how = (struct open_how){ .flags = O_RDONLY };
	fd = (int)MUST(syscall(SYS_openat2, AT_FDCWD, "fifo", &how, sizeof(how)));
	join(t);
	close(fd);
	R("sync", syscall(SYS_sync));
	unlink("f");
	unlink("fifo");
}

static void *posts(void *arg)
{
	wait_parked(&parked);
	R("write", write(*(int *)arg, &(uint64_t){ 3 }, 8));
	return NULL;
}

static void an_eventfd(void)
{
	uint64_t n = 0;
	int fd = (int)OK("eventfd", syscall(SYS_eventfd, 2));
	pthread_t t;

	R("read", read(fd, &n, sizeof(n)));
	say("it was %d", (int)n);
	t_set(&parked, 0);
	t = start(posts, &fd);
	t_here(&parked);
	n = 0;
	if (read(fd, &n, sizeof(n)) != 8 || n != 3)
		say("read %d", (int)n);
	join(t);
	close(fd);
}

static void *takes(void *arg)
{
	struct sembuf down = { 0, -2, 0 };

	t_here(&parked);
	if (syscall(SYS_semop, *(int *)arg, &down, 1L))
		say("semop: %s", t_errname(errno));
	return NULL;
}

static void semaphores(void)
{
	struct sembuf op = { 0, 1, 0 };
	int id = semget(IPC_PRIVATE, 1, 0600);
	pthread_t t;

	say("--- semop");
	MUST(id);
	R("up", syscall(SYS_semop, id, &op, 1L));
	t_set(&parked, 0);
	t = start(takes, &id);
	wait_parked(&parked);
	R("up again", syscall(SYS_semop, id, &op, 1L));
	join(t);
	op = (struct sembuf){ 0, -1, IPC_NOWAIT };
	R("down", syscall(SYS_semop, id, &op, 1L));
	R("none", syscall(SYS_semop, id, &op, 0L));
	R("bad pointer", syscall(SYS_semop, id, T_BAD, 1L));
	op.sem_num = 7;
	R("no such one", syscall(SYS_semop, id, &op, 1L));
	MUST(semctl(id, 0, IPC_RMID));
	R("no longer there", syscall(SYS_semop, id, &op, 1L));
}

static void mappings(void)
{
	int id = shmget(IPC_PRIVATE, 8192, 0600);
	char *p, *q;

	say("--- mappings");
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	p[0] = 'x';
	q = mremap(p, 8192, 1 << 20, MREMAP_MAYMOVE);
	say("moved: %c", q == MAP_FAILED ? '-' : q[0]);
	R("smaller", mremap(q, 1 << 20, 4096, 0) == q ? 0 : -1);
	R("nothing there", (long)mremap(T_BAD, 4096, 8192, MREMAP_MAYMOVE));
	R("flags", (long)mremap(q, 4096, 8192, 99));
	munmap(q, 4096);
	MUST(id);
	p = shmat(id, NULL, 0);
	q = shmat(id, NULL, SHM_RDONLY);
	MUST(shmctl(id, IPC_RMID, NULL));
	p[0] = 'y';
	say("shared: %c", q[0]);
	R("shmdt", shmdt(p));
	R("shmdt", shmdt(q));
	R("shmat: no longer there", (long)shmat(id, NULL, 0));
}

static void on_signal(int sig)
{
	say("signal %d", sig);
}

static void signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int me = (int)syscall(SYS_gettid);

	say("--- tkill");
	sigaction(SIGUSR2, &sa, NULL);
	R("to myself", syscall(SYS_tkill, me, SIGUSR2));
	R("none", syscall(SYS_tkill, me, 0));
	R("no such signal", syscall(SYS_tkill, me, 99));
	R("no such thread", syscall(SYS_tkill, 0x3ffffff0, SIGUSR2));
	R("nobody", syscall(SYS_tkill, 0, SIGUSR2));
}

static void programs(void)
{
	char *argv[] = { "sh", "-c", "exit $GROVE_TEST", NULL }, *envp[] = { "GROVE_TEST=7", NULL };
	int fd = open("/bin/sh", O_PATH | O_CLOEXEC);
	pid_t pid;

	say("--- execveat");
	R("not there", syscall(SYS_execveat, AT_FDCWD, "none", argv, envp, 0));
	R("not open", syscall(SYS_execveat, 9999, "", argv, envp, AT_EMPTY_PATH));
	R("bad pointer", syscall(SYS_execveat, AT_FDCWD, T_BAD, argv, envp, 0));
	R("flags", syscall(SYS_execveat, fd, "", argv, envp, 0x40000000));
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
		_exit(9);
	}
	say("the child: %d", t_reap(pid));
	close(fd);
}

static void a_signalfd(void)
{
	struct signalfd_siginfo info = { 0 };
	sigset_t usr1;
	int fd;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigaddset(&usr1, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	say("--- signalfd");
	fd = (int)OK("signalfd", syscall(SYS_signalfd, -1, &usr1, 8L));
	R("the same with another mask", syscall(SYS_signalfd, fd, &usr1, 8L) == fd ? 0 : -1);
	pthread_kill(pthread_self(), SIGUSR1);
	R("read", read(fd, &info, sizeof(info)));
	say("signal %u", info.ssi_signo);
	R("a mask of 3 bytes", syscall(SYS_signalfd, -1, &usr1, 3L));
	R("bad pointer", syscall(SYS_signalfd, -1, T_BAD, 8L));
	R("not a signalfd", syscall(SYS_signalfd, 0, &usr1, 8L));
	close(fd);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
}

static void *signals_of_a_thread(void *arg)
{
	signals();
	a_signalfd();
	return arg;
}

int main(void)
{
	t_begin();
	files();
	an_eventfd();
	semaphores();
	mappings();
	programs();
	signals();
	a_signalfd();
	join(start(signals_of_a_thread, NULL));
	return 0;
}
