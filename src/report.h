/*
 * report.h - what --audit and --deadlock tell: some lines that belong together, written by one call
 *
 * May be used in the middle of anything, also by a kernel thread of grove's own: neither locks nor memory are asked for.  It is ordinary code,
 * though, with vector registers: within green calls by gr_with_vectors() only.
 */
#ifndef GR_REPORT_H
#define GR_REPORT_H

#include "symbols.h"

struct gr_greenlet;

#define GR_FRAMES 64

/* Addresses of calls, or of the instruction that was interrupted, the innermost first */
struct gr_frames {
	int n;
	const void *at[GR_FRAMES];
	uint64_t path;			/* the same for the same calls by the same calls ... */
	uint64_t functions;		/* the same for the same functions, wherever they are */
};

struct gr_report {
	size_t used;			/* 0 to begin with */
	struct gr_symbols symbols;
	char text[16384];		/* what does not fit is left out, by whole lines */
};

/* Where the calling greenlet is in its own code: grove's frames are left out.  @pc: begin there, at what a signal has interrupted; or NULL. */
void gr_report_look(struct gr_frames *ret_frames, const void *pc);

void gr_report_put(struct gr_report *r, const char *s);
void gr_report_number(struct gr_report *r, uint64_t n, unsigned base);
void gr_report_ms(struct gr_report *r, gr_time t);
void gr_report_thread(struct gr_report *r, const struct gr_greenlet *g);	/* "the main thread", "thread a (tid 1)", "greenlet b (id 2)", ... */
void gr_report_frame(struct gr_report *r, const void *pc, const char *indent);	/* a line */
void gr_report_frames(struct gr_report *r, const struct gr_frames *frames, const char *indent);

/* To standard error, or to the end of the file of GROVE_AUDIT_LOG */
void gr_report_write(struct gr_report *r);
void gr_report_start(char **env);

#endif
