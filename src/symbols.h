/*
 * symbols.h - what lies at an address, for people: a function or variable of which file
 *
 * For reports that are made in the middle of anything: no lock is taken, no memory asked for.  Objects are found as the unwinder finds them, by
 * _dl_find_object() (glibc 2.35 and later; elsewhere nothing is found), and their symbols are read from their files, which have more of
 * them than the loader keeps.
 */
#ifndef GR_SYMBOLS_H
#define GR_SYMBOLS_H

#include "base.h"

struct gr_symbol {
	char name[128];			/* cut off if longer; empty: not known */
	char file[256];			/* the object's path; empty: in none */
	uint64_t offset;		/* from the symbol */
	uint64_t at;			/* in the object, as addr2line(1) wants it */
};

/* The object that was looked at last stays mapped until gr_symbols_end(); {0} to begin with. */
struct gr_symbols {
	const void *object;
	const char *image;
	size_t size;
};

/* False: in no object.  @function: not a variable. */
bool gr_symbols_find(struct gr_symbols *s, const void *address, bool function, struct gr_symbol *ret_symbol);
void gr_symbols_end(struct gr_symbols *s);

/* Is this code grove's own? */
bool gr_symbols_own(const void *pc);

#endif
