/*
 * overflow.h - what to say when a stack is full
 */
#ifndef GR_OVERFLOW_H
#define GR_OVERFLOW_H

#include "base.h"

void gr_overflow_start(void);

/* A fault at @addr, with the stack pointer at @sp: if that is a stack overflow, one line on standard error says whose. */
void gr_overflow_tell(uintptr_t addr, uintptr_t sp);

#endif
