/*
 * base.c - how grove speaks when something is wrong, and the memory functions the compiler calls by itself
 *
 * gcc and clang turn struct copies and clearing loops into calls of memcpy, memset, memmove and memcmp.  libc's use vector
 * registers, which are not ours between a program's system call and its return; these do not, and being hidden they are the
 * ones that code in libgrove is bound to.  They are `rep` instructions: our copies are short, and the processor's microcode
 * is as good as a loop there and better than one for the rest.
 */
#include "base.h"
#include "raw.h"
#include <errno.h>
#include <string.h>

#define HIDDEN __attribute__((visibility("hidden")))

/* Under AddressSanitizer (unit tests) the sanitizer's own must be found: they are what checks. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEP_LIBC 1
#endif
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(KEEP_LIBC)

HIDDEN void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *ret = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return ret;
}

/* Backwards by words: `rep` with the direction flag set goes byte by byte */
HIDDEN void *memmove(void *to, const void *from, size_t n)
{
	typedef uint64_t word __attribute__((may_alias, aligned(1)));
	char *t = to;
	const char *s = from;

	if ((uintptr_t)t - (uintptr_t)s >= n)
		return memcpy(to, from, n);
	for (; n >= sizeof(word); n -= sizeof(word)) {
		*(word *)(t + n - sizeof(word)) = *(const word *)(s + n - sizeof(word));
		__asm__ volatile("" : : : "memory");	/* not to be recognised, and made a call of memmove() */
	}
	while (n--) {
		t[n] = s[n];
		__asm__ volatile("" : : : "memory");
	}
	return to;
}

HIDDEN void *memset(void *to, int byte, size_t n)
{
	void *ret = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
	return ret;
}

/* The empty asm in the loops keeps the compiler from seeing what they are and calling the function they make up. */
HIDDEN int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++) {
		__asm__("" : "+r"(x), "+r"(y));
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

HIDDEN size_t strlen(const char *s)
{
	const char *end = s;

	while (*end) {
		end++;
		__asm__("" : "+r"(end));
	}
	return (size_t)(end - s);
}

#endif

static const char *const error_names[] = {
#define NAME(e) [e] = #e
	NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR), NAME(EIO), NAME(ENXIO), NAME(E2BIG), NAME(ENOEXEC), NAME(EBADF), NAME(ECHILD),
	NAME(EAGAIN), NAME(ENOMEM), NAME(EACCES), NAME(EFAULT), NAME(EBUSY), NAME(EEXIST), NAME(EXDEV), NAME(ENODEV), NAME(ENOTDIR),
	NAME(EISDIR), NAME(EINVAL), NAME(ENFILE), NAME(EMFILE), NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE),
	NAME(EROFS), NAME(EPIPE), NAME(ERANGE), NAME(EDEADLK), NAME(ENOSYS), NAME(ELOOP), NAME(EOVERFLOW), NAME(EOPNOTSUPP),
	NAME(ENOBUFS), NAME(ETIMEDOUT), NAME(ECONNREFUSED), NAME(ECANCELED),
#undef NAME
};

void gr_line_put(struct gr_line *l, const char *s)
{
	while (*s && l->used < sizeof(l->text) - 1)
		l->text[l->used++] = *s++;
}

void gr_line_number(struct gr_line *l, uint64_t n, unsigned base)
{
	char digits[24], *d = digits + sizeof(digits) - 1;

	*d = '\0';
	do
		*--d = "0123456789abcdef"[n % base];
	while (n /= base);
	if (base == 16)
		gr_line_put(l, "0x");
	gr_line_put(l, d);
}

void gr_line_write(struct gr_line *l, int fd)
{
	l->text[l->used++] = '\n';
	raw(SYS_write, fd, l->text, l->used);
	l->used = 0;
}

/* "grove: what", and ": ENOMEM (12)" when @err, of either sign, is an errno number */
static void say(const char *what, long err)
{
	struct gr_line l = { .used = 0 };
	unsigned long n = err < 0 ? -(unsigned long)err : (unsigned long)err;

	gr_line_put(&l, "grove: ");
	gr_line_put(&l, what);
	if (n != 0) {
		gr_line_put(&l, n < GR_LENGTH(error_names) && error_names[n] ? ": " : ": error");
		if (n < GR_LENGTH(error_names) && error_names[n])
			gr_line_put(&l, error_names[n]);
		gr_line_put(&l, " (");
		gr_line_number(&l, n, 10);
		gr_line_put(&l, ")");
	}
	gr_line_write(&l, 2);
}

void gr_warn(const char *what, long err)
{
	say(what, err);
}

_Noreturn void gr_die(const char *what, long err)
{
	say(what, err);
	for (;;)
		raw(SYS_exit_group, 126);
}
