/*
 * functions.c - the names of libc, and the rows of src/green/calls.h that they come to
 *
 * A function that is named like its system call needs no line here.  What is not known is said to pass.
 */
#include "functions.h"
#include "numbers.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *calls, *how, *names;
	enum what what;
} families[] = {
	{ .what = PARKS, .calls = "futex", .how = "waiters are parked greenlets",
	  .names = "pthread_mutex_lock pthread_mutex_timedlock pthread_mutex_clocklock pthread_cond_wait "
		   "pthread_cond_timedwait pthread_cond_clockwait pthread_rwlock_rdlock pthread_rwlock_timedrdlock "
		   "pthread_rwlock_clockrdlock pthread_rwlock_wrlock pthread_rwlock_timedwrlock "
		   "pthread_rwlock_clockwrlock pthread_barrier_wait pthread_join pthread_timedjoin_np "
		   "pthread_clockjoin_np pthread_once sem_wait sem_timedwait sem_clockwait mtx_lock mtx_timedlock "
		   "cnd_wait cnd_timedwait thrd_join call_once flockfile __cxa_guard_acquire aio_suspend gai_suspend" },
	{ .what = PARKS, .calls = "read", .how = "as read",
	  .names = "fread fgets fgetc getc getchar fgetwc getwc getwchar fgetws getline getdelim scanf fscanf vscanf "
		   "vfscanf wscanf fwscanf vwscanf vfwscanf uflow underflow wuflow wunderflow gets sgetn getpass getw "
		   "fgetpwent fgetgrent fgetspent eventfd_read" },
	{ .what = PARKS, .calls = "write", .how = "as write",
	  .names = "fwrite fputs puts fputc putc putchar fputwc putwc putwchar fputws putw printf fprintf vprintf "
		   "vfprintf wprintf fwprintf vwprintf vfwprintf dprintf vdprintf perror psignal psiginfo fflush fclose "
		   "fcloseall overflow woverflow error error_at_line warn warnx vwarn vwarnx err errx verr verrx "
		   "obstack_printf backtrace_symbols_fd putpwent putgrent putspent eventfd_write" },
	{ .what = PARKS, .calls = "preadv2", .how = "as preadv2", .names = "preadv64v2" },
	{ .what = PARKS, .calls = "pwritev2", .how = "as pwritev2", .names = "pwritev64v2" },
	{ .what = PARKS, .calls = "pread64", .how = "as pread64", .names = "pread" },
	{ .what = PARKS, .calls = "pwrite64", .how = "as pwrite64", .names = "pwrite" },
	{ .what = PARKS, .calls = "recvfrom", .how = "as recvfrom", .names = "recv" },
	{ .what = PARKS, .calls = "sendto", .how = "as sendto", .names = "send syslog vsyslog openlog" },
	{ .what = PARKS, .calls = "pselect6", .how = "as ppoll", .names = "pselect" },
	{ .what = PARKS, .calls = "poll sendto recvfrom", .how = "names are asked for over c-ares in the hub, the greenlet is parked",
	  .names = "getaddrinfo getnameinfo gethostbyname gethostbyname_r gethostbyname2 gethostbyname2_r gethostbyaddr "
		   "gethostbyaddr_r" },
	{ .what = PARKS, .calls = "poll sendto recvfrom", .how = "its system calls are green",
	  .names = "res_query res_search res_querydomain res_send res_nquery res_nsearch res_nquerydomain res_nsend "
		   "getaddrinfo_a getnetbyname getnetbyname_r getnetbyaddr getnetbyaddr_r getnetent getifaddrs "
		   "if_nameindex rcmd rexec rtime callrpc svc_run" },
	{ .what = PARKS, .calls = "openat read connect poll", .how = "the name service's system calls are green",
	  .names = "getpwnam getpwnam_r getpwuid getpwuid_r getpwent getpwent_r getgrnam getgrnam_r getgrgid getgrgid_r "
		   "getgrent getgrent_r getgrouplist initgroups getspnam getspnam_r getservbyname getservbyname_r "
		   "getservbyport getservbyport_r getservent getprotobyname getprotobyname_r getprotobynumber "
		   "getprotobynumber_r getprotoent gethostent getnetgrent innetgr getrpcbyname getrpcbynumber "
		   "getaliasbyname getspent getsgnam" },
	{ .what = PARKS, .calls = "clock_nanosleep", .how = "park until the deadline",
	  .names = "sleep usleep thrd_sleep" },
	{ .what = PARKS, .calls = "wait4", .how = "as wait4", .names = "wait waitpid wait3 pclose" },
	{ .what = PARKS, .calls = "clone3", .how = "parked until the child has executed its program",
	  .names = "posix_spawn posix_spawnp popen" },
	{ .what = PARKS, .calls = "clone3 wait4", .how = "a process is made, and its end waited for as by wait4",
	  .names = "system wordexp" },
	{ .what = PARKS, .calls = "rt_sigtimedwait", .how = "as rt_sigtimedwait",
	  .names = "sigwait sigwaitinfo sigtimedwait" },
	{ .what = PARKS, .calls = "rt_sigsuspend", .how = "as rt_sigsuspend", .names = "sigsuspend sigpause" },
	{ .what = PARKS, .calls = "mq_timedsend", .how = "as mq_timedsend", .names = "mq_send" },
	{ .what = PARKS, .calls = "mq_timedreceive", .how = "as mq_timedreceive", .names = "mq_receive" },
	{ .what = PARKS, .calls = "fcntl", .how = "as fcntl", .names = "lockf lckpwdf" },
	{ .what = PARKS, .calls = "close", .how = "as close", .names = "closedir mq_close" },
	{ .what = PARKS, .calls = "ioctl", .how = "as ioctl", .names = "tcdrain tcsetattr tcsendbreak" },
	{ .what = PARKS, .calls = "sched_yield", .how = "lets every ready greenlet run",
	  .names = "pthread_yield thrd_yield pthread_spin_lock" },
	{ .what = PARKS, .calls = "pread64 pwrite64 fsync", .how = "libc's threads for that become greenlets",
	  .names = "aio_read aio_write aio_fsync aio_return aio_cancel lio_listio" },
	{ .what = OFFLOADS, .calls = "openat", .how = "as openat",
	  .names = "fopen freopen tmpfile mkstemp mkostemp mkstemps mkostemps shm_open sem_open opendir posix_openpt "
		   "getpt openpty iconv_open setlocale newlocale catopen setmntent getmntent getmntent_r getfsent "
		   "getusershell getutent getutid getutline getutxent getutxid getutxline pututline pututxline updwtmp "
		   "updwtmpx login logout logwtmp getlogin getlogin_r gethostid getloadavg get_nprocs get_nprocs_conf" },
	{ .what = OFFLOADS, .calls = "getdents64", .how = "as getdents64",
	  .names = "readdir readdir_r readdir64_r scandir scandirat ftw nftw fts_read fts_children fts64_read "
		   "fts64_children glob getdirentries seekdir rewinddir" },
	{ .what = OFFLOADS, .calls = "newfstatat", .how = "as newfstatat",
	  .names = "fstatat xstat lxstat fxstat fxstatat realpath canonicalize_file_name euidaccess eaccess" },
	{ .what = OFFLOADS, .calls = "statfs", .how = "as statfs", .names = "statvfs fstatvfs" },
	{ .what = OFFLOADS, .calls = "unlink", .how = "as unlink", .names = "remove shm_unlink sem_unlink" },
	{ .what = OFFLOADS, .calls = "mkdir", .how = "as mkdir", .names = "mkdtemp mkfifo mkfifoat" },
	{ .what = OFFLOADS, .calls = "utimensat", .how = "as utimensat", .names = "futimens lutimes futimes" },
	{ .what = OFFLOADS, .calls = "lseek", .how = "as lseek",
	  .names = "fseek fseeko ftell ftello rewind fgetpos fsetpos" },
	{ .what = OFFLOADS, .calls = "fallocate", .how = "as fallocate", .names = "posix_fallocate" },
	{ .what = OFFLOADS, .calls = "fadvise64", .how = "as fadvise64", .names = "posix_fadvise" },
	{ .what = OFFLOADS, .calls = "madvise", .how = "as madvise", .names = "posix_madvise" },
	{ .what = OFFLOADS, .calls = "umount2", .how = "as umount2", .names = "umount" },
	{ .what = OFFLOADS, .calls = "openat mmap read", .how = "finding and reading a library, as openat and read; its constructors are the program's",
	  .names = "dlopen dlmopen" },
	{ .what = OURS, .calls = "clone3", .how = "the thread becomes a greenlet",
	  .names = "pthread_create thrd_create" },
	{ .what = OURS, .calls = "fork", .how = "as fork", .names = "daemon forkpty _Fork" },
	{ .what = OURS, .calls = "close_range", .how = "as close_range", .names = "closefrom" },
	{ .what = OURS, .calls = "kill", .how = "as kill", .names = "killpg" },
	{ .what = OURS, .calls = "rt_sigqueueinfo", .how = "as rt_sigqueueinfo", .names = "sigqueue" },
	{ .what = OURS, .calls = "execve", .how = "as execve",
	  .names = "execl execle execlp execv execvp execvpe fexecve" },
	{ .what = OURS, .calls = "exit", .how = "as exit", .names = "pthread_exit thrd_exit" },
	{ .what = OURS, .calls = "exit_group", .how = "as exit_group", .names = "exit quick_exit _Exit" },
	{ .what = OURS, .calls = "futex", .how = "wakes greenlets",
	  .names = "pthread_mutex_unlock pthread_cond_signal pthread_cond_broadcast pthread_rwlock_unlock sem_post "
		   "mtx_unlock cnd_signal cnd_broadcast funlockfile __cxa_guard_release" },
	{ .what = OURS, .calls = "tgkill", .how = "as tgkill",
	  .names = "pthread_kill raise gsignal pthread_cancel abort" },
	{ .what = OURS, .calls = "rt_tgsigqueueinfo", .how = "as rt_tgsigqueueinfo", .names = "pthread_sigqueue" },
	{ .what = OURS, .calls = "rt_sigaction", .how = "as rt_sigaction",
	  .names = "signal sigaction bsd_signal sysv_signal ssignal sigset siginterrupt sigignore sigvec" },
	{ .what = OURS, .calls = "rt_sigprocmask", .how = "kept per greenlet",
	  .names = "sigprocmask pthread_sigmask sigblock sigsetmask sighold sigrelse siglongjmp" },
	{ .what = OURS, .calls = "rt_sigpending", .how = "as rt_sigpending", .names = "sigpending" },
	{ .what = OURS, .calls = "sched_setaffinity", .how = "a thread stands for the kernel thread that all share",
	  .names = "pthread_setaffinity_np pthread_getaffinity_np pthread_setschedparam pthread_getschedparam "
		   "pthread_setschedprio nice" },
	{ .what = OURS, .calls = "prctl", .how = "names are per greenlet",
	  .names = "pthread_setname_np pthread_getname_np" },
	{ .what = NOTES, .calls = "setuid", .how = "as setuid", .names = "seteuid setegid" },
	{ .what = PARKS, .calls = "getrandom", .how = "as getrandom",
	  .names = "getentropy arc4random arc4random_buf arc4random_uniform" },
};

static const struct {
	const char *name, *how;
	int number;
	enum what what;
} calls[] = {
#define KIND_GREEN PARKS
#define KIND_OFFLOAD OFFLOADS
#define KIND_OWN OURS
#define KIND_NOTED NOTES
#define KIND_PASS PASSES
#define KIND_REFUSE REFUSES
#define ROW(kind, name, nr, function, file, test, how) { name, how, nr, KIND_##kind },
#define PLAIN(kind, name, nr, why) { name, why, nr, KIND_##kind },
#include "green/calls.h"
};

/* Of grove's own, these may wait. */
static bool may_wait(const char *call)
{
	return !strncmp(call, "futex", 5) || !strcmp(call, "close") || !strcmp(call, "fcntl") || !strcmp(call, "ioctl");
}

static bool is_word(const char *words, const char *word, size_t n)
{
	for (const char *p = words; (p = strstr(p, word)); p++)
		if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

static bool look_up(const char *name, struct function *ret)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (!is_word(families[i].names, name, strlen(name)))
			continue;
		*ret = (struct function){ families[i].what, families[i].calls, families[i].how };
		return true;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(calls[i].name, name))
			continue;
		*ret = (struct function){ calls[i].what == OURS && may_wait(name) ? PARKS : calls[i].what, calls[i].name, calls[i].how };
		return true;
	}
	return false;
}

static bool cut_end(char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	if (n <= m || strcmp(name + n - m, end))
		return false;
	name[n - m] = '\0';
	return true;
}

static void cut_begin(char *name, const char *begin)
{
	size_t m = strlen(begin);

	if (strlen(name) > m && !strncmp(name, begin, m))
		memmove(name, name + m, strlen(name + m) + 1);
}

/* The names that libc gives to variants: __read_chk, __isoc99_scanf, open64, fputs_unlocked, _IO_getc */
struct function function_of(const char *name)
{
	static const char *const begins[] = { "__isoc99_", "__isoc23_", "__libc_", "_IO_", "__", "_" };
	struct function f = { PASSES, NULL, NULL };
	char plain[128];

	if (look_up(name, &f) || strlen(name) >= sizeof(plain))
		return f;
	strcpy(plain, name);
	cut_end(plain, "_chk");
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		cut_begin(plain, begins[i]);
	if (look_up(plain, &f))
		return f;
	while (cut_end(plain, "64") || cut_end(plain, "_unlocked") || cut_end(plain, "_2"))
		if (look_up(plain, &f))
			break;
	return f;
}

const char *call_name(int number)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return calls[i].name;
	return NULL;
}
