/* libc_output.c - every way in which libc writes for a program, into something full: it waits, and the others go on */
#include "inside.h"
#include <err.h>
#include <error.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <wchar.h>

static int ends[2];
static FILE *out;
static char last[4096];			/* the end of what came out */
static char big[8000];

/* Takes out what is there, until nobody writes any more; what is no filling stays in `last'. */
static void *drain(void *arg)
{
	char buf[4096];
	size_t at = 0;

	(void)arg;
	memset(last, 0, sizeof(last));
	for (ssize_t n; (n = read(ends[0], buf, sizeof(buf))) > 0;)
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != '.' && at < sizeof(last) - 1)
				last[at++] = buf[i];
	return NULL;
}

static pthread_t drainer;

static void let_out(void)
{
	drainer = start(drain, NULL);
}

static void drained(void)
{
	join(drainer);
	close(ends[0]);
}

/* --- streams --- */

__attribute__((format(printf, 1, 2))) static int do_v(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vfprintf(out, fmt, ap);
	va_end(ap);
	return n;
}

__attribute__((format(printf, 1, 2))) static int do_vd(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vdprintf(ends[1], fmt, ap);
	va_end(ap);
	return n;
}

static long do_fprintf(void) { return fprintf(out, "%d %s", 17, "printed"); }
static long do_vfprintf(void) { return do_v("%d %s", 18, "v-printed"); }
static long do_dprintf(void) { return dprintf(ends[1], "%d %s", 19, "d-printed"); }
static long do_vdprintf(void) { return do_vd("%d %s", 20, "vd-printed"); }
static long do_fputs(void) { return fputs("put", out) < 0 ? -1 : 0; }
static long do_fputc(void) { return fputc('c', out); }
static long do_putc_unlocked(void) { return putc_unlocked('d', out); }
static long do_putw(void) { return putw(0x41424344, out); }
static long do_fwrite(void) { return (long)fwrite("items", 1, 5, out); }
static long do_fwrite_big(void) { return (long)fwrite(big, 1, sizeof(big), out); }
static long do_fwprintf(void) { return fwprintf(out, L"%d wide", 21); }
static long do_fputws(void) { return fputws(L"wide put", out) < 0 ? -1 : 0; }
static long do_fputwc(void) { return fputwc(L'w', out); }
static long do_fflush(void) { fputs("flushed", out); return fflush(out); }
static long do_fflush_all(void) { fputs("flushed with all", out); return fflush(NULL); }
static long do_fclose(void) { fputs("closed", out); FILE *f = out; out = NULL; return fclose(f); }
static long do_fseek(void) { fputs("before a seek", out); return fseek(out, 0, SEEK_SET); }
static long do_setvbuf(void) { fputs("line\n", out); return 0; }

static const struct {
	const char *name;
	long (*call)(void);
	int mode;
} functions[] = {
	{ "fprintf", do_fprintf, _IONBF }, { "vfprintf", do_vfprintf, _IONBF }, { "dprintf", do_dprintf, _IONBF },
	{ "vdprintf", do_vdprintf, _IONBF }, { "fputs", do_fputs, _IONBF }, { "fputc", do_fputc, _IONBF },
	{ "putc_unlocked", do_putc_unlocked, _IONBF }, { "putw", do_putw, _IONBF }, { "fwrite", do_fwrite, _IONBF },
	{ "fwrite, more than the buffer", do_fwrite_big, _IOFBF }, { "fwprintf", do_fwprintf, _IONBF },
	{ "fputws", do_fputws, _IONBF }, { "fputwc", do_fputwc, _IONBF }, { "fflush", do_fflush, _IOFBF },
	{ "fflush(NULL)", do_fflush_all, _IOFBF }, { "fclose", do_fclose, _IOFBF }, { "fseek", do_fseek, _IOFBF },
	{ "a line", do_setvbuf, _IOLBF },
};

static void streams(void)
{
	say("-- streams");
	for (size_t i = 0; i < T_LENGTH(functions); i++) {
		full_pipe(ends);
		out = fdopen(ends[1], "w");
		setvbuf(out, NULL, functions[i].mode, functions[i].mode == _IONBF ? 0 : 4096);
		R(functions[i].name, inside(functions[i].name, functions[i].call, let_out));
		if (out)
			fclose(out);
		drained();
		say("came out: %.30s", last);
	}
}

/* --- stdout and stderr --- */

static long do_printf(void) { return printf("%d to stdout", 22); }
static long do_puts(void) { return puts("put to stdout") < 0 ? -1 : 0; }
static long do_putchar(void) { return putchar('x'); }
static long do_perror(void) { errno = ENOENT; perror("perror"); return 0; }
static long do_psignal(void) { psignal(SIGINT, "psignal"); return 0; }
static long do_warn(void) { warnx("%s", "warned"); return 0; }
static long do_error(void) { error(0, EPERM, "error %d", 5); return 0; }

static void standard(void)
{
	static const struct {
		const char *name;
		long (*call)(void);
	} calls[] = {
		{ "printf", do_printf }, { "puts", do_puts }, { "putchar", do_putchar }, { "perror", do_perror },
		{ "psignal", do_psignal }, { "warn", do_warn }, { "error", do_error },
	};
	FILE *was_out = stdout, *was_err = stderr;

	say("-- standard output and error");
	for (size_t i = 0; i < T_LENGTH(calls); i++) {
		full_pipe(ends);
		out = stdout = stderr = fdopen(ends[1], "w");
		setvbuf(out, NULL, _IONBF, 0);
		inside(calls[i].name, calls[i].call, let_out);
		fclose(out);
		stdout = was_out;
		stderr = was_err;
		drained();
		say("came out: %.40s", strchr(last, ':') && i != 3 ? strchr(last, ':') : last);
	}
}

/* --- exit writes what is left --- */

static void *exits(void *arg)
{
	t_here(arg);
	exit(7);
}

static void at_exit(void)
{
	static int place;

	say("-- exit");
	fflush(stdout);
	full_pipe(ends);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		stdout = fdopen(ends[1], "w");
		printf("left for exit");
		start(exits, &place);		/* not the main thread: that is asleep, and goes on to read */
		wait_parked(&place);
		join(start(inside_other, NULL));
		say("exit waits, another made %d steps", t_get(&inside_.steps));
		drain(NULL);
		_exit(3);			/* not reached: exit is done with its writing, and the process ends */
	}
	close(ends[1]);
	say("left with %d", t_reap(pid));
	close(ends[0]);
}

/* --- one stream, ten threads, one of them inside --- */

static int places[10], finished;

static void *use_stream(void *arg)
{
	int i = (int)(intptr_t)arg;

	t_here(&places[i]);
	switch (i) {
	case 0: fputs("aaaaaaaa\n", out); fflush(out); break;
	case 1: fprintf(out, "%s\n", "bbbbbbbb"); break;
	case 2: fwrite("cccccccc\n", 1, 9, out); break;
	case 3: flockfile(out); for (int k = 0; k < 8; k++) putc_unlocked('d', out); putc_unlocked('\n', out); funlockfile(out); break;
	case 4: fflush(out); break;
	case 5: fputc('\n', out); break;
	case 6: fflush(NULL); break;
	case 7: fputs("eeeeeeee\n", out); break;
	case 8: (void)ftell(out); break;
	case 9: fputws(L"", out); break;
	}
	__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void shared(void)
{
	pthread_t t[10];
	int whole = 0;

	say("-- one stream, ten threads");
	FILE *other = tmpfile();
	full_pipe(ends);
	out = fdopen(ends[1], "w");
	for (intptr_t i = 0; i < 10; i++) {
		t[i] = start(use_stream, (void *)i);
		wait_parked(&places[i]);
	}
	say("finished %d; ftrylockfile %d", t_get(&finished), ftrylockfile(out) != 0);
	say("another stream is free: %d", fputs("x", other) >= 0 && fflush(other) == 0);
	let_out();
	for (int i = 0; i < 10; i++)
		join(t[i]);
	say("finished %d; ftrylockfile %d", t_get(&finished), ftrylockfile(out) != 0);
	funlockfile(out);
	fclose(out);
	fclose(other);
	drained();
	for (const char *w = "abcde"; *w; w++) {
		char line[10];

		memset(line, *w, 8);
		line[8] = '\n';
		line[9] = 0;
		whole += strstr(last, line) != NULL;
	}
	say("whole lines: %d, bytes %zu", whole, strlen(last));
}

/* --- syslog, to a /dev/log of our own --- */

static int log_fd;

static long do_syslog(void)
{
	for (int i = 0; i < 300; i++)
		syslog(LOG_INFO, "message %d", i);
	return 0;
}

static void *read_log(void *arg)
{
	char buf[512], *text;
	int n = 0;

	(void)arg;
	do {
		ssize_t len = MUST(read(log_fd, buf, sizeof(buf) - 1));

		buf[len] = 0;
		text = strstr(buf, "message ");
		n += text && atoi(text + 8) == n;
	} while (n < 300);
	say("messages in order: %d", n);
	return NULL;
}

static pthread_t log_reader;

static void let_log(void)
{
	log_reader = start(read_log, NULL);
}

static bool own_dev(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

	if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) == -1 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("log", "/dev", "tmpfs", 0, NULL) == -1)
		return false;
	log_fd = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	return bind(log_fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static void logging(void)
{
	say("-- syslog");
	pid_t pid = MUST(fork());
	if (pid == 0) {
		if (!own_dev()) {
			say("no mount namespace here");
			_exit(0);
		}
		openlog("grove-test", LOG_NDELAY, LOG_USER);
		inside("syslog", do_syslog, let_log);
		join(log_reader);
		closelog();
		_exit(0);
	}
	say("left with %d", t_reap(pid));
}

int main(void)
{
	t_begin();
	memset(big, 'B', sizeof(big));
	streams();
	standard();
	at_exit();
	shared();
	logging();
	return 0;
}
