/*
 * grove/local.h - values that each greenlet has of its own, and values that greenlets inherit from whoever spawns them
 *
 * A local (gevent.local) is a name under which every greenlet keeps a pointer of its own, NULL at first.  When the greenlet ends, however it
 * ends, the local's destructor gets the pointer.
 *
 * A variable (Python's contextvars) is a name under which a greenlet finds what it has set, or what whoever spawned it had set when it
 * spawned it: a request's id, a trace, a user.  What a greenlet sets does not change what others see.  Values are plain pointers, without
 * destructors: they must live as long as anybody may inherit them.
 *
 *	static grove_var *user;				// grove_var_new("user", "nobody")
 *	struct grove_token token;
 *	grove_var_set(user, "ann", &token);
 *	grove_spawn(handle, request);			// there grove_var_get(user) is "ann"
 *	grove_var_reset(user, &token);
 *
 * Generators have those of the greenlet that asks.  __thread and thread_local variables and pthread_setspecific(3) are per greenlet as well.
 */
#ifndef GROVE_LOCAL_H
#define GROVE_LOCAL_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_local grove_local;

/*
 * grove_local_new - a name for values per greenlet
 * @destroy: called with each greenlet's value, if that is not NULL, when the greenlet ends; may be NULL.  It runs in the greenlet, after
 *	what grove_defer() was given, and may wait.  What it sets is destroyed too, up to four rounds, as for pthread keys.
 *
 * On the main thread destructors run only if that ends by pthread_exit(3).
 * Returns it, or NULL with errno ENOMEM.
 * Parks: no.   Threads: any.   Follows gevent.local.local, pthread_key_create(3).
 */
GROVE_API grove_local *grove_local_new(void (*destroy)(void *value));

/*
 * grove_local_get - the calling greenlet's value
 *
 * NULL when it has none; on native threads with errno EPERM, for what is no local with EINVAL.
 * Parks: no.   Threads: greenlets.
 */
GROVE_API void *grove_local_get(const grove_local *local);

/*
 * grove_local_set - set the calling greenlet's value; the one before is not destroyed
 *
 * Returns 0, or -1 with errno EINVAL, EPERM (on a native thread) or ENOMEM.
 * Parks: no.   Threads: greenlets.
 */
GROVE_API int grove_local_set(grove_local *local, void *value);

/* grove_local_free - forget it; the destructor is called here for the values of all greenlets.  NULL is allowed.  0, or -1 with EINVAL.
 * Parks: as the destructor.   Threads: any. */
GROVE_API int grove_local_free(grove_local *local);

typedef struct grove_var grove_var;

/* What grove_var_set() found, for grove_var_reset() */
struct grove_token {
	uint64_t opaque[4];
};

/*
 * grove_var_new - a name for inherited values
 * @name: copied, for traces; may be NULL
 * @usual: what grove_var_get() gives where nothing is set
 *
 * Returns it, or NULL with errno ENOMEM.
 * Parks: no.   Threads: any.   Follows contextvars.ContextVar.
 */
GROVE_API grove_var *grove_var_new(const char *name, void *usual);

/* grove_var_get - what is set in the calling greenlet, or the usual value; on native threads always that.   NULL with EINVAL for what is no
 * variable.   Parks: no.   Threads: any.   Follows ContextVar.get. */
GROVE_API void *grove_var_get(const grove_var *var);

/*
 * grove_var_set - set it for the calling greenlet, and those that it spawns from now on
 * @ret_token: for grove_var_reset(); may be NULL
 *
 * Returns 0, or -1 with errno EINVAL, EPERM (on a native thread) or ENOMEM.
 * Parks: no.   Threads: greenlets.   Follows ContextVar.set.
 */
GROVE_API int grove_var_set(grove_var *var, void *value, struct grove_token *ret_token);

/*
 * grove_var_reset - put back what grove_var_set() found
 *
 * Returns 0, or -1 with errno: EINVAL the token is of another variable or greenlet; ESRCH it has been used; EPERM; ENOMEM.
 * Parks: no.   Threads: greenlets.   Follows ContextVar.reset.
 */
GROVE_API int grove_var_reset(grove_var *var, struct grove_token *token);

/* grove_var_name - as it was made.   NULL: none.   Parks: no.   Threads: any.   Follows ContextVar.name. */
GROVE_API const char *grove_var_name(const grove_var *var);

/* grove_var_free - forget the name; NULL is allowed.  0, or -1 with EINVAL.   Parks: no.   Threads: any. */
GROVE_API int grove_var_free(grove_var *var);

/*
 * grove_vars_copy - all variables as they are set in the calling greenlet, to be used later or elsewhere
 *
 * Returns them, or NULL with errno ENOMEM, EPERM.   On native threads EPERM.
 * Parks: no.   Threads: greenlets.   Follows contextvars.copy_context.
 */
typedef struct grove_vars grove_vars;
GROVE_API grove_vars *grove_vars_copy(void);

/*
 * grove_vars_run - @fn(@arg) in the calling greenlet, which sees @vars meanwhile; what it sets stays in @vars
 * @ret_value: what @fn returned; may be NULL
 *
 * Returns 0, or -1 with errno EINVAL, EPERM, or EBUSY: a call with these runs already.
 * Parks: as @fn.   Threads: greenlets.   Follows contextvars.Context.run.
 */
GROVE_API int grove_vars_run(grove_vars *vars, grove_fn *fn, void *arg, void **ret_value);

/* grove_vars_free - forget them; NULL is allowed.  0, or -1 with EINVAL or EBUSY.   Parks: no.   Threads: any. */
GROVE_API int grove_vars_free(grove_vars *vars);

#ifdef __cplusplus
}
#endif

#endif
