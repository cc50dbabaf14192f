/*
 * base.h - the words every other file uses: time, results, visibility, and how grove gives up
 *
 * Layer 0.  Nothing here calls libc.
 */
#ifndef GR_BASE_H
#define GR_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t gr_time;			/* nanoseconds of CLOCK_MONOTONIC, or a duration in nanoseconds */

#define GR_NEVER	INT64_MAX		/* a deadline that does not come */
#define GR_US(n)	((gr_time)(n) * 1000)
#define GR_MS(n)	((gr_time)(n) * 1000000)
#define GR_SEC(n)	((gr_time)(n) * 1000000000)

#define GR_PAGE		4096u
#define GR_BIT(n)	(1u << (n))

#define GR_EXPORT	__attribute__((visibility("default")))
#define GR_LIKELY(x)	__builtin_expect(!!(x), 1)
#define GR_UNLIKELY(x)	__builtin_expect(!!(x), 0)
#define GR_LENGTH(a)	(sizeof(a) / sizeof((a)[0]))
#define gr_container(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* What the kernel calls ERESTARTSYS: the call was interrupted; it starts again if the handler was installed with
 * SA_RESTART, and fails with EINTR otherwise.  Never leaves gr_call(). */
#define GR_ERESTART	512

/* A line for people, put together without libc, and written by one call, so that it stays whole.  Too long: cut off. */
struct gr_line {
	size_t used;			/* 0 to begin with */
	char text[504];
};
void gr_line_put(struct gr_line *l, const char *s);
void gr_line_number(struct gr_line *l, uint64_t n, unsigned base);	/* base 16: with 0x */
void gr_line_write(struct gr_line *l, int fd);				/* with its newline; empty afterwards */

/* One line on standard error, "grove: ...", and the process ends with status 126.  For what cannot be repaired. */
_Noreturn void gr_die(const char *what, long err);

/* One line on standard error; the process goes on. */
void gr_warn(const char *what, long err);

#endif
