/* libc_input.c - every way in which libc reads for a program: it waits inside, and the other threads go on */
#include "inside.h"
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <wchar.h>

static int ends[2];			/* what is read, and where it is written */
static FILE *in_;
static const char *more;		/* what comes late */

static void write_more(void)
{
	MUST(write(ends[1], more, strlen(more)));
}

static void end_it(void)
{
	close(ends[1]);
	ends[1] = -1;
}

/* --- sources --- */

static void from_pipe(void)
{
	must_pipe(ends);
}

static void from_socket(void)
{
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
}

static void from_fifo(void)
{
	unlink("fifo");
	MUST(mkfifo("fifo", 0600));
	ends[0] = MUST(open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	ends[1] = MUST(open("fifo", O_WRONLY | O_CLOEXEC));
	MUST(fcntl(ends[0], F_SETFL, O_RDONLY));
}

static void from_tty(void)
{
	struct termios raw_;
	int unlock = 0;

	ends[1] = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
	MUST(ioctl(ends[1], TIOCSPTLCK, &unlock));
	ends[0] = MUST(ioctl(ends[1], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	MUST(tcgetattr(ends[0], &raw_));
	raw_.c_lflag &= ~(tcflag_t)ECHO;
	MUST(tcsetattr(ends[0], TCSANOW, &raw_));
}

/* --- functions --- */

static char text[64];
static wchar_t wide[64];

static long do_fgets(void) { return fgets(text, sizeof(text), in_) ? (long)strlen(text) : -1; }
static long do_fread(void) { return (long)fread(text, 1, 6, in_); }
static long do_fgetc(void) { return fgetc(in_); }
static long do_getc_unlocked(void) { return getc_unlocked(in_); }
static long do_getw(void) { return getw(in_); }
static long do_fscanf(void) { int n = 0; return fscanf(in_, "%5s %d", text, &n) * 1000 + n; }
static long do_fgetws(void) { return fgetws(wide, T_LENGTH(wide), in_) ? (long)wcslen(wide) : -1; }
static long do_fgetwc(void) { return fgetwc(in_); }
static long do_fwscanf(void) { int n = 0; return fwscanf(in_, L"%5s %d", text, &n) * 1000 + n; }

static long do_getline(void)
{
	char *line = NULL;
	size_t size = 0;
	long n = getline(&line, &size, in_);

	free(line);
	return n;
}

static long do_getdelim(void)
{
	char *line = NULL;
	size_t size = 0;
	long n = getdelim(&line, &size, '7', in_);

	free(line);
	return n;
}

static const struct {
	const char *name;
	long (*call)(void);
} functions[] = {
	{ "fgets", do_fgets }, { "fread", do_fread }, { "fgetc", do_fgetc }, { "getc_unlocked", do_getc_unlocked },
	{ "getw", do_getw }, { "fscanf", do_fscanf }, { "getline", do_getline }, { "getdelim", do_getdelim },
	{ "fgetws", do_fgetws }, { "fgetwc", do_fgetwc }, { "fwscanf", do_fwscanf },
};

static void from(const char *what, void (*make)(void))
{
	char name[64];

	say("-- %s", what);
	for (size_t i = 0; i < T_LENGTH(functions); i++) {
		make();
		in_ = fdopen(ends[0], "r");
		more = "word 17\n";
		snprintf(name, sizeof(name), "%s, %s", functions[i].name, what);
		R(name, inside(name, functions[i].call, write_more));
		clearerr(in_);
		fclose(in_);
		end_it();
	}
}

/* --- half a line is there, the rest comes late; and the end --- */

static void halves(void)
{
	say("-- halves");
	must_pipe(ends);
	in_ = fdopen(ends[0], "r");
	MUST(write(ends[1], "first ", 6));
	more = "half\nsecond";
	R("half a line", inside("half a line", do_fgets, write_more));
	say("%s", text);
	more = " line\n";
	R("the rest was in the buffer", inside("the rest was in the buffer", do_fgets, write_more));
	say("%s", text);
	R("the end", inside("the end", do_fgets, end_it));
	say("eof %d error %d", feof(in_) != 0, ferror(in_) != 0);
	fclose(in_);
	must_pipe(ends);
	in_ = fdopen(ends[0], "r");
	setvbuf(in_, NULL, _IONBF, 0);
	ungetc('u', in_);
	more = "nbuff";
	R("unbuffered, one put back", inside("unbuffered, one put back", do_fread, write_more));
	say("%.6s", text);
	MUST(write(ends[1], "abc", 3));
	R("fewer than asked", inside("fewer than asked", do_fread, end_it));
	fclose(in_);
}

/* --- standard input --- */

static long do_scanf(void) { int n = 0; return scanf("%5s %d", text, &n) * 1000 + n; }
static long do_getchar(void) { return getchar(); }
static long do_getchar_unlocked(void) { return getchar_unlocked(); }
static long do_getwchar(void) { return getwchar(); }

static void standard(void)
{
	static long (*const calls[])(void) = { do_scanf, do_getchar, do_getchar_unlocked, do_getwchar };
	static const char *const names[] = { "scanf", "getchar", "getchar_unlocked", "getwchar" };
	int saved = MUST(fcntl(0, F_DUPFD_CLOEXEC, 10));

	say("-- standard input");
	for (size_t i = 0; i < T_LENGTH(calls); i++) {
		must_pipe(ends);
		MUST(dup2(ends[0], 0));
		if (i == 3)
			stdin = fdopen(0, "r");
		more = "input 5\n";
		R(names[i], inside(names[i], calls[i], write_more));
		end_it();
		while (i < 3 && getchar() != EOF)
			continue;
		clearerr(stdin);
		close(ends[0]);
	}
	MUST(dup2(saved, 0));
	close(saved);
}

/* A stream whose output must go first: reading flushes standard output if that is line buffered. */
static void reading_flushes(void)
{
	int out[2];
	char got[32] = "";
	FILE *was = stdout;

	say("-- reading flushes a line");
	full_pipe(out);
	must_pipe(ends);
	in_ = fdopen(ends[0], "r");
	setvbuf(in_, NULL, _IONBF, 0);
	stdout = fdopen(out[1], "w");
	setvbuf(stdout, NULL, _IOLBF, 0);
	fputs("prompt> ", stdout);
	MUST(write(ends[1], "a", 1));
	while (read(out[0], got, 8) == 8 && got[0] == '.')
		if (poll(&(struct pollfd){ out[0], POLLIN, 0 }, 1, 0) == 0)
			break;
	R("fgetc", fgetc(in_));
	R("what was flushed", read(out[0], got, 8));
	say("%.8s", got);
	fclose(stdout);
	stdout = was;
	fclose(in_);
	end_it();
	close(out[0]);
}

/* --- getpass --- */

static long do_getpass(void)
{
	char *p = getpass("Password: ");

	strcpy(text, p ? p : "none");
	return (long)strlen(text);
}

static void password(void)
{
	int unlock = 0;
	char prompt[16] = "";

	say("-- getpass");
	pid_t pid = MUST(fork());
	if (pid == 0) {
		MUST(setsid());
		ends[1] = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
		MUST(ioctl(ends[1], TIOCSPTLCK, &unlock));
		ends[0] = MUST(ioctl(ends[1], TIOCGPTPEER, O_RDWR | O_CLOEXEC));
		more = "secret\n";
		R("getpass", inside("getpass", do_getpass, write_more));
		say("%s", text);
		R("prompt", read(ends[1], prompt, 10));
		say("%s", prompt);
		_exit(0);
	}
	say("left with %d", t_reap(pid));
}

int main(void)
{
	t_begin();
	from("pipe", from_pipe);
	from("socket", from_socket);
	from("fifo", from_fifo);
	from("tty", from_tty);
	halves();
	standard();
	reading_flushes();
	password();
	return 0;
}
