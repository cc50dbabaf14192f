/*
 * tls.h - making a thread's memory of itself new, so that its next greenlet finds what a new thread would
 *
 * Between two greenlets of one worker: C++ thread_local destructors run, every module's __thread variables get their initial values
 * again (libc's own are left alone, but for errno and the locale), and a worker that has set pthread keys is not used again, since
 * only libc can run their destructors.  The same where something could not be made out, or where somebody else stands in front of
 * libc's pthread_create(), who may keep records of his threads (AddressSanitizer does).
 *
 * Libraries come and go by dlopen() and dlclose().  Where the variables of one lie is certain only in threads that were born after it
 * came, so all that was learnt has a generation: older workers are not used again.
 */
#ifndef GR_API_TLS_H
#define GR_API_TLS_H

#include "../base.h"

/* On a new worker, outside, before it has run anything; @stack_top: the end of its stack.  Returns a number for gr_tls_renew(). */
unsigned gr_tls_learn(const char *stack_top);

/* On a worker whose greenlet has ended, outside: destructors, and all new.  False: the thread has to end for that. */
bool gr_tls_renew(unsigned born);

#endif
