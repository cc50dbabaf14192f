/*
 * fiber.h - telling AddressSanitizer and Valgrind that we change stacks within a thread
 *
 * The functions of AddressSanitizer are weak: they are there when the program was built with it, whatever libgrove was built with.
 *
 *	gr_fiber_leave(&fake, lo, size);	we go to the stack at @lo now; fake is where ours keeps its shadow (NULL: it never runs again)
 *	gr_switch(...);
 *	gr_fiber_arrive(fake, &lo, &size);	first of all on the other side: what it had left in its fake; where we came from
 *
 * Not for switches between threads: AddressSanitizer finds those out by the FS base, as its records are thread-local.
 */
#ifndef GR_API_FIBER_H
#define GR_API_FIBER_H

#include "../base.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_STACK_REGISTER(lo, hi) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#define VALGRIND_MAKE_MEM_UNDEFINED(lo, size) ((void)(lo), (void)(size))
#endif

extern void __sanitizer_start_switch_fiber(void **fake, const void *lo, size_t size) __attribute__((weak));
extern void __sanitizer_finish_switch_fiber(void *fake, const void **ret_lo, size_t *ret_size) __attribute__((weak));
extern void __asan_handle_no_return(void) __attribute__((weak));
extern void __asan_unpoison_memory_region(const volatile void *lo, size_t size) __attribute__((weak));

/* Is anybody there to be told of switches? */
static inline bool gr_fiber_watched(void)
{
	return __sanitizer_start_switch_fiber != NULL;
}

static inline void gr_fiber_leave(void **fake, const void *lo, size_t size)
{
	if (GR_UNLIKELY(gr_fiber_watched()))
		__sanitizer_start_switch_fiber(fake, lo, size);
}

static inline void gr_fiber_arrive(void *fake, const void **ret_lo, size_t *ret_size)
{
	if (GR_UNLIKELY(__sanitizer_finish_switch_fiber != NULL))
		__sanitizer_finish_switch_fiber(fake, ret_lo, ret_size);
}

/* Frames of this stack are about to be left without returning. */
static inline void gr_fiber_unwinds(void)
{
	if (GR_UNLIKELY(__asan_handle_no_return != NULL))
		__asan_handle_no_return();
}

/* A stack is to be used; returns a number for gr_fiber_gone(), after which it may be anybody's. */
static inline unsigned gr_fiber_new(const void *lo, size_t size)
{
	(void)lo, (void)size;
	return (unsigned)VALGRIND_STACK_REGISTER(lo, (const char *)lo + size);
}

/* The frames that stood there never returned, perhaps in the parent of this process. */
static inline void gr_fiber_clean(const void *lo, size_t size)
{
	if (GR_UNLIKELY(__asan_unpoison_memory_region != NULL))
		__asan_unpoison_memory_region(lo, size);
}

/* Frames that were left without returning have not taken back what they forbade. */
static inline void gr_fiber_gone(unsigned id, const void *lo, size_t size)
{
	(void)id;
	VALGRIND_STACK_DEREGISTER(id);
	VALGRIND_MAKE_MEM_UNDEFINED(lo, size);
	gr_fiber_clean(lo, size);
}

#endif
