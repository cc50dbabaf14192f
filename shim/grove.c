/*
 * grove.c - the launcher: grove [options] [--] program [args]
 *
 * Finds libgrove-shim.so, puts it into LD_PRELOAD and executes the program.  The dynamic linker ignores LD_PRELOAD for some
 * programs and reads it never for others; such a program would run without grove and nobody would know.  So the launcher looks
 * at the file the way execve(2) and ld.so(8) will, and says in one line why it cannot work and what to do instead.
 * With --explain it only tells what would happen (explain.h).
 *
 * `grove [options] compare ...' executes the scripts of compare/, which run a program bare and by this launcher.
 */
#include "explain.h"
#include <grove/version.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SHIM		"libgrove-shim.so"
#define SCRIPT_DEPTH	5		/* of interpreters that are scripts themselves; exec_binprm() in the kernel's fs/exec.c */
#define SCRIPT_LINE	256		/* BINPRM_BUF_SIZE: what the kernel reads of a script */

enum { EXIT_USAGE = 2, EXIT_CANNOT = 126, EXIT_MISSING = 127 };		/* as shells have them */

/* One row per option of the runtime: the option, the environment variable that does the same, and what it does. */
enum takes { NOTHING, MAYBE_FILE, MAYBE_NUMBERS, NUMBER, FILE_NAME };

static const struct option {
	const char *name, *variable, *argument;
	enum takes takes;
	const char *usual;		/* the variable's value where the option has none */
	const char *help;
} options[] = {
	{ "stats", "GROVE_STATS", "FILE", MAYBE_FILE, "1", "at exit, tell what was done; to FILE instead of standard error" },
	{ "preempt", "GROVE_PREEMPT", "MS", NUMBER, NULL, "how long a thread may compute while others want to run (10); 0: for as long as it likes" },
	{ "offload-max", "GROVE_OFFLOAD_MAX", "N", NUMBER, NULL, "how many calls that can wait only in the kernel are made at once (1024); others queue" },
	{ "audit", "GROVE_AUDIT", "MS[,MS]", MAYBE_NUMBERS, "10,100",
	  "tell of system calls that held up all threads for longer than that, of threads that computed for longer, and of deadlocks" },
	{ "deadlock", "GROVE_DEADLOCK", NULL, NOTHING, "1", "tell who waits for whom when threads wait for each other for ever" },
	{ "audit-log", "GROVE_AUDIT_LOG", "FILE", FILE_NAME, NULL, "where --audit and --deadlock write, instead of standard error" },
	{ "no-children", "GROVE_NO_CHILDREN", NULL, NOTHING, "1", "programs that this program starts run without grove" },
};

static const char *script;	/* while its interpreter is looked at */
static char elf[PATH_MAX], elf_linker[PATH_MAX];	/* the program that was looked at last: what in the end will run */
static bool by_launcher;		/* what in the end will run is a launcher of grove's */
static const char *explains;		/* --explain was given: what follows it */

/* In each launcher, by which others know it: see is_launcher(). */
#define NOTE_NAME	"grove"
#define NOTE_TYPE	1
#define NOTE_HEAD	1024		/* bytes of a file's notes that are looked at */

__asm__(".pushsection .note.grove, \"a\", @note\n"
	"	.balign 4\n"
	"	.long 6, 0, 1\n"
	"	.asciz \"" NOTE_NAME "\"\n"
	"	.balign 4\n"
	".popsection\n");

static _Noreturn __attribute__((format(printf, 3, 4))) void refuse(int status, const char *file, const char *why, ...)
{
	va_list ap;

	fprintf(stderr, "grove: %s", file);
	if (script)
		fprintf(stderr, " (interpreter of %s)", script);
	fputs(": ", stderr);
	va_start(ap, why);
	vfprintf(stderr, why, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

/* --- the command line ---------------------------------------------------------------------------------------------------- */

static void usage(FILE *to)
{
	fputs("usage: grove [options] [--] program [arguments]\n", to);
}

static int help(void)
{
	usage(stdout);
	puts("       grove [options] compare [its options] [--] program [arguments]\n");
	puts("Run a threaded program with green threads; compare: bare and so in turn, and tell what differs (grove compare --help).\n");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *o = &options[i];
		char left[40];

		static const char *const form[] = { "", "[=%s]", "[=%s]", "=%s", "=%s" };
		static const char *const value[] = { "1", "1 or a path", "10,100", "a number", "a path" };

		int n = snprintf(left, sizeof(left), "--%s", o->name);
		snprintf(left + n, sizeof(left) - (size_t)n, form[o->takes], o->argument);
		printf("  %-16s  %s (%s=%s)\n", left, o->help, o->variable, value[o->takes]);
	}
	printf("  %-16s  instead of running the program, tell what would happen to its calls; =all: to each\n", "--explain[=all]");
	printf("  %-16s  this text\n  %-16s  the version\n", "--help", "--version");
	puts("\nExit status: the program's; 2 for a wrong option, 126 for a program grove cannot run, 127 for one not found.");
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A path the program can still use after it has changed its directory. */
static const char *absolute(const char *path)
{
	char cwd[PATH_MAX], *full;

	if (path[0] == '/' || !getcwd(cwd, sizeof(cwd)) || asprintf(&full, "%s/%s", cwd, path) == -1)
		return path;
	return full;
}

/* At most @n of them, with commas between them */
static bool is_numbers(const char *s, int n)
{
	size_t digits;

	do {
		digits = strspn(s, "0123456789");
		s += digits;
	} while (digits && *s == ',' && --n > 0 && *++s);
	return digits && !*s;
}

/* @value: what follows the =, or NULL */
static bool fits(enum takes takes, const char *value)
{
	if (!value)
		return takes != NUMBER && takes != FILE_NAME;
	if (takes == NOTHING || !*value)
		return false;
	return takes == MAYBE_FILE || takes == FILE_NAME || is_numbers(value, takes == MAYBE_NUMBERS ? 2 : 1);
}

/* @arg is what follows the dashes: name or name=value.  False: there is no such option. */
static bool set_option(const char *arg)
{
	size_t n = strcspn(arg, "=");

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *o = &options[i];

		if (strlen(o->name) != n || strncmp(o->name, arg, n))
			continue;
		if (!fits(o->takes, arg[n] == '=' ? arg + n + 1 : NULL))
			return false;
		if (arg[n] != '=')
			setenv(o->variable, o->usual, 1);
		else
			setenv(o->variable, o->takes == MAYBE_FILE || o->takes == FILE_NAME ? absolute(arg + n + 1) : arg + n + 1, 1);
		return true;
	}
	return false;
}

/* The index of the program in argv; ends here after --help, --version and mistakes. */
static int parse(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			exit(help());
		if (!strcmp(argv[i], "--version")) {
			puts("grove " GROVE_VERSION);
			exit(fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS);
		}
		if (!strcmp(argv[i], "--explain") || !strcmp(argv[i], "--explain=all")) {
			explains = argv[i] + strlen("--explain");
			continue;
		}
		if (strncmp(argv[i], "--", 2) || !set_option(argv[i] + 2)) {
			fprintf(stderr, "grove: unknown option %s; ", argv[i]);
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (i >= argc) {
		usage(stderr);
		exit(EXIT_USAGE);
	}
	return i;
}

/* --- finding files ------------------------------------------------------------------------------------------------------- */

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* The folder that the launcher lies in */
static const char *own_folder(void)
{
	static char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = n > 0 ? memrchr(self, '/', n) : NULL;

	if (!slash)
		return NULL;
	*slash = '\0';
	return self;
}

/* The first of @places that is a file: paths after the launcher's folder, or absolute ones; NULL: none is. */
static const char *find_part(const char *const *places)
{
	static char path[2 * PATH_MAX];
	const char *folder = own_folder();

	for (; *places; places++) {
		bool absolute_path = **places == '/';

		if (!absolute_path && !folder)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", absolute_path ? "" : folder, absolute_path ? "" : "/", *places);
		if (is_file(path))
			return path;
	}
	return NULL;
}

/* Beside the launcher (build tree: in libtool's folder), below the same prefix, or where it was to be installed. */
static const char *find_shim(void)
{
	static const char *const places[] = { SHIM, ".libs/" SHIM, "../lib/" SHIM, GROVE_LIBDIR "/" SHIM, NULL };
	const char *path = find_part(places);

	if (!path)
		refuse(EXIT_CANNOT, SHIM, "not found beside the launcher nor in " GROVE_LIBDIR "; run `make install' again");
	return path;
}

/* What execvp(3) would execute for @name, in memory of its own.  Ends the launcher when there is nothing. */
static char *find_program(const char *name)
{
	char path[PATH_MAX + NAME_MAX + 2];
	const char *dirs = getenv("PATH"), *end;
	bool denied = false;

	if (!*name)
		refuse(EXIT_MISSING, "''", "not found; name a program");
	if (strchr(name, '/'))
		return strdup(name);
	for (dirs = dirs ? dirs : "/bin:/usr/bin"; dirs; dirs = *end ? end + 1 : NULL) {
		end = strchrnul(dirs, ':');
		if (end == dirs)		/* an empty entry is the current directory */
			snprintf(path, sizeof(path), "./%s", name);
		else if ((size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)(end - dirs), dirs, name) >= sizeof(path))
			continue;
		if (!is_file(path))
			continue;
		if (!access(path, X_OK))
			return strdup(path);
		denied = true;
	}
	if (denied)
		refuse(EXIT_CANNOT, name, "permission denied; a file of that name in PATH is not executable (chmod +x)");
	refuse(EXIT_MISSING, name, "not found in PATH; give its path, or add its folder to PATH");
}

/* --- will the dynamic linker obey LD_PRELOAD for this file? -------------------------------------------------------------- */

/* The kernel marks these executions AT_SECURE, and ld.so then drops LD_PRELOAD entries that hold a slash. */
static void check_credentials(const char *file, int fd, const struct stat *st)
{
	struct statvfs fs;
	bool setuid = st->st_mode & S_ISUID && st->st_uid != getuid();
	bool setgid = (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st->st_gid != getgid();

	if (geteuid() != getuid() || getegid() != getgid())
		refuse(EXIT_CANNOT, file, "the effective and real user or group differ here, so nothing can be preloaded; run as one user");
	if (!fstatvfs(fd, &fs) && fs.f_flag & ST_NOSUID)
		return;
	if ((setuid || setgid) && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		refuse(EXIT_CANNOT, file, "set%s, so nothing can be preloaded; run it without grove, or as %s that owns it",
		       setuid ? "uid" : "gid", setuid ? "the user" : "the group");
	if (getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		refuse(EXIT_CANNOT, file, "has file capabilities, so nothing can be preloaded; run it as root, or a copy without (setcap -r)");
}

/* The dynamic linker the file names must be glibc's and be there. */
static void check_linker(const char *file, const char *linker)
{
	const char *base = strrchr(linker, '/') ? strrchr(linker, '/') + 1 : linker;

	if (strstr(base, "musl"))
		refuse(EXIT_CANNOT, file, "built for musl; grove needs a build for glibc");
	if (strncmp(base, "ld-linux", 8) && strncmp(base, "ld-lsb", 6))
		refuse(EXIT_CANNOT, file, "its dynamic linker is %s; grove needs a build for glibc", linker);
	if (access(linker, X_OK))
		refuse(errno == ENOENT ? EXIT_MISSING : EXIT_CANNOT, file, "its dynamic linker %s: %s; install it, or rebuild the program", linker, strerror(errno));
}

static void check_elf(const char *file, int fd, const Elf64_Ehdr *h, size_t got)
{
	char linker[PATH_MAX];

	if (got > EI_CLASS && h->e_ident[EI_CLASS] == ELFCLASS32)
		refuse(EXIT_CANNOT, file, "a 32-bit program; grove needs a 64-bit build");
	if (got < sizeof(*h) || h->e_ident[EI_CLASS] != ELFCLASS64)
		refuse(EXIT_CANNOT, file, "a damaged ELF file; build or install it again");
	if (h->e_machine != EM_X86_64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
		refuse(EXIT_CANNOT, file, "built for another processor (ELF machine %u); grove needs an x86-64 build", h->e_machine);
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		refuse(EXIT_CANNOT, file, "an ELF file but not a program; link it first");
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		refuse(EXIT_CANNOT, file, "a damaged ELF file; build or install it again");
	for (unsigned i = 0; i < h->e_phnum; i++) {
		Elf64_Phdr p;

		if (pread(fd, &p, sizeof(p), h->e_phoff + i * sizeof(p)) != sizeof(p))
			refuse(EXIT_CANNOT, file, "a damaged ELF file; build or install it again");
		if (p.p_type != PT_INTERP)
			continue;
		if (p.p_filesz < 2 || p.p_filesz > sizeof(linker) || pread(fd, linker, p.p_filesz, p.p_offset) != (ssize_t)p.p_filesz)
			refuse(EXIT_CANNOT, file, "a damaged ELF file; build or install it again");
		linker[p.p_filesz - 1] = '\0';
		check_linker(file, linker);
		snprintf(elf, sizeof(elf), "%s", file);
		snprintf(elf_linker, sizeof(elf_linker), "%s", linker);
		return;
	}
	refuse(EXIT_CANNOT, file, "statically linked, so nothing can be preloaded; use a dynamically linked build");
}

static void check_file(const char *file, int depth);

/* env(1) as an interpreter executes what its argument names: `env prog', `env -S VAR=value prog args'. */
static void check_env(const char *arg, int depth)
{
	char *words = strdup(arg), *save = NULL, *word = words ? strtok_r(words, " \t", &save) : NULL;

	if (word && !strncmp(word, "-S", 2))
		word = word[2] ? word + 2 : strtok_r(NULL, " \t", &save);
	while (word && strchr(word, '='))
		word = strtok_r(NULL, " \t", &save);
	if (word && *word != '-') {		/* other options of env: leave it to env */
		char *found = find_program(word);

		check_file(found, depth);
		free(found);
	}
	free(words);
}

/* @line: what follows "#!".  As in the kernel, the interpreter ends at white space, and the rest of the line is one argument. */
static void check_script(const char *file, char *line, int depth)
{
	char *interpreter, *arg;

	line[strcspn(line, "\n")] = '\0';
	interpreter = line + strspn(line, " \t");
	arg = interpreter + strcspn(interpreter, " \t");
	if (*arg)
		*arg++ = '\0';
	arg += strspn(arg, " \t");
	if (!*interpreter)
		refuse(EXIT_CANNOT, file, "a script that names no interpreter after #!; write one, such as #!/bin/sh");
	if (depth == SCRIPT_DEPTH)
		refuse(EXIT_CANNOT, file, "too many scripts that are each other's interpreters; name a program after #!");
	script = file;
	check_file(interpreter, depth + 1);
	if (*arg && !strcmp(basename(interpreter), "env"))
		check_env(arg, depth + 1);
	script = NULL;
}

static void check_mode(const char *file, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		refuse(EXIT_CANNOT, file, "is a directory; name a program in it");
	if (!S_ISREG(st->st_mode))
		refuse(EXIT_CANNOT, file, "is not a regular file; name a program");
	if (access(file, X_OK))
		refuse(EXIT_CANNOT, file, "%s", errno == EACCES ? "permission denied; make it executable (chmod +x)" : strerror(errno));
}

/* @align: of the notes, which are 4 or 8 bytes apart */
static bool has_our_note(const char *notes, size_t size, size_t align)
{
	Elf64_Nhdr h;

	for (size_t at = 0; at + sizeof(h) <= size; at += (sizeof(h) + ((h.n_namesz + 3ul) & ~3ul) + h.n_descsz + align - 1) / align * align) {
		memcpy(&h, notes + at, sizeof(h));
		if (h.n_type == NOTE_TYPE && h.n_namesz == sizeof(NOTE_NAME) && at + sizeof(h) + sizeof(NOTE_NAME) <= size &&
		    !memcmp(notes + at + sizeof(h), NOTE_NAME, sizeof(NOTE_NAME)))
			return true;
	}
	return false;
}

/* A launcher run by the launcher, this one or another one: linked statically, it needs nothing preloaded, and sees to its own program. */
static bool is_launcher(int fd, const Elf64_Ehdr *h, size_t got)
{
	char notes[NOTE_HEAD];
	Elf64_Phdr p;

	if (got < sizeof(*h) || memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_phentsize != sizeof(p))
		return false;
	for (unsigned i = 0; i < h->e_phnum && pread(fd, &p, sizeof(p), h->e_phoff + i * sizeof(p)) == sizeof(p); i++) {
		ssize_t n = p.p_type == PT_NOTE ? pread(fd, notes, p.p_filesz < NOTE_HEAD ? p.p_filesz : NOTE_HEAD, p.p_offset) : 0;

		if (n > 0 && has_our_note(notes, (size_t)n, p.p_align == 8 ? 8 : 4))
			return true;
	}
	return false;
}

/* Comes back only when the file can be executed and will obey LD_PRELOAD. */
static void check_file(const char *file, int depth)
{
	union {
		char bytes[SCRIPT_LINE + 1];
		Elf64_Ehdr elf;
	} head = { 0 };
	struct stat st;
	ssize_t n;
	int fd;

	if (stat(file, &st))
		refuse(errno == ENOENT ? EXIT_MISSING : EXIT_CANNOT, file, "%s",
		       errno == ENOENT ? "not found; check the path" : strerror(errno));
	check_mode(file, &st);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return;			/* executable but not readable: the kernel can do more than we */
	n = read(fd, head.bytes, SCRIPT_LINE);
	if (n >= 2 && !memcmp(head.bytes, "#!", 2)) {
		check_script(file, head.bytes + 2, depth);
	} else if (n > 0 && is_launcher(fd, &head.elf, n)) {
		by_launcher = true;
	} else if (n >= SELFMAG && !memcmp(head.bytes, ELFMAG, SELFMAG)) {
		check_elf(file, fd, &head.elf, n);
		check_credentials(file, fd, &st);
	} else {
		refuse(EXIT_CANNOT, file, "neither an ELF program nor a script with #!; run it by its interpreter");
	}
	close(fd);
}

/* --- and go -------------------------------------------------------------------------------------------------------------- */

/* No shim is in the environment any more, where grove itself is run by grove. */
static void clear_preload(void)
{
	const char *old = getenv("LD_PRELOAD");
	char *words = old ? strdup(old) : NULL, *save = NULL, *kept = words ? calloc(1, strlen(old) + 1) : NULL;

	if (!kept)
		return;
	for (char *word = strtok_r(words, " :", &save); word; word = strtok_r(NULL, " :", &save))
		if (strcmp(basename(word), SHIM))
			sprintf(kept + strlen(kept), "%s%s", *kept ? ":" : "", word);
	if (*kept)
		setenv("LD_PRELOAD", kept, 1);
	else
		unsetenv("LD_PRELOAD");
	free(words);
	free(kept);
}

static void set_preload(const char *shim)
{
	const char *old;
	char *value;

	if (strpbrk(shim, " :$"))
		refuse(EXIT_CANNOT, shim, "a path with a space, colon or dollar sign cannot be preloaded; move grove to another folder");
	clear_preload();		/* one grove is enough for a program, and two would be in each other's way */
	old = getenv("LD_PRELOAD");
	if (asprintf(&value, "%s%s%s", shim, old && *old ? ":" : "", old ? old : "") == -1 || setenv("LD_PRELOAD", value, 1))
		refuse(EXIT_CANNOT, SHIM, "%s", strerror(errno));
	free(value);
}

/* What cannot be looked into is told in one sentence. */
static int explain_program(const char *program)
{
	if (*elf)
		return explain(elf, elf_linker, *explains != '\0');
	if (!by_launcher)
		refuse(EXIT_CANNOT, program, "cannot be read, so nothing can be told of it; run it, or make it readable (chmod +r)");
	printf("%s: grove's own launcher, which runs the program it is given under grove; ask about that program itself\n", program);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* @argv: what follows the word compare */
static _Noreturn void compare(int argc, char **argv)
{
	static const char *const places[] = { "compare/__main__.py", "../libexec/grove/compare/__main__.py", GROVE_COMPAREDIR "/__main__.py", NULL };
	char launcher[PATH_MAX] = "", **args = calloc(argc + 6, sizeof(*args));
	char *folder = (char *)find_part(places);

	if (!folder)
		refuse(EXIT_CANNOT, "compare", "its scripts are neither beside the launcher nor in " GROVE_COMPAREDIR "; run `make install' again");
	if (!args || readlink("/proc/self/exe", launcher, sizeof(launcher) - 1) == -1)
		refuse(EXIT_CANNOT, "compare", "%s", strerror(errno));
	*strrchr(folder, '/') = '\0';
	memcpy(args, (char *[]){ "python3", "-I", "-B", folder, launcher }, 5 * sizeof(*args));
	memcpy(args + 5, argv, argc * sizeof(*args));
	clear_preload();
	execvp(args[0], args);
	if (errno == ENOENT)
		refuse(EXIT_MISSING, "compare", "needs python3 (3.9 or newer), which is not in PATH; install it (Debian: apt-get install python3)");
	refuse(EXIT_CANNOT, "compare", "python3: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	int first = parse(argc, argv);

	if (!explains && !strcmp(argv[first], "compare") && strcmp(argv[first - 1], "--"))
		compare(argc - first - 1, argv + first + 1);

	char *program = find_program(argv[first]);

	check_file(program, 0);
	if (explains)
		return explain_program(program);
	set_preload(find_shim());
	execv(program, argv + first);
	refuse(errno == ENOENT ? EXIT_MISSING : EXIT_CANNOT, program, "%s", strerror(errno));
}
